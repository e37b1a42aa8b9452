"""All settings of ltrr, composed from the packages that declare them."""

from ltrr.config.settings import (
    HOME_FILE,
    PathSettings,
    Settings,
    home_layer,
    load_section,
    load_settings,
    write_home_file,
)

__all__ = ["HOME_FILE", "PathSettings", "Settings", "home_layer", "load_section", "load_settings", "write_home_file"]
