"""`/docs`: the reference of all addresses, to read and to try; `/asyncapi.json`: that of live streams.

The viewer comes from the service itself.
"""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from serve.live.contract import asyncapi

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


@router.get("/asyncapi.json", include_in_schema=False)
def live_contract() -> dict[str, Any]:
    """Return the contract of `/live` (AsyncAPI 3)."""
    return asyncapi(version("rgbd-motion"))
