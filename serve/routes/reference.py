"""`/docs`: the reference of all addresses, to read and to try. Its viewer comes from the service itself."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

router = APIRouter()

VIEWER = "static/viewer"
"""Where Swagger UI lies; relative, as all that the page names, so that it works behind a proxy with a prefix."""


@router.get("/docs", include_in_schema=False)
def docs() -> HTMLResponse:
    """Show the OpenAPI document in a browser."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="rgbd-motion",
        swagger_js_url=f"{VIEWER}/swagger-ui-bundle.js",
        swagger_css_url=f"{VIEWER}/swagger-ui.css",
        swagger_favicon_url="static/favicon.svg",
    )
