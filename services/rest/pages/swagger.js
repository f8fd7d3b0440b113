// SPDX-License-Identifier: Apache-2.0
// Starts Swagger UI over the two documents that this service is built from.
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    urls: [
      { name: "Sluice /rest", url: "/rest/v3/swagger-spec" },
      { name: "Sluice /api/v1", url: "/api/v1/openapi.json" },
    ],
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    layout: "StandaloneLayout",
  });
});
