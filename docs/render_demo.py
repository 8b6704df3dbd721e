"""Draw the pictures of README and documentation from what `make demo` left.

    make demo && python docs/render_demo.py demo-output

Pages are photographed by Chromium without a window, which has to be installed.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import click
from PIL import Image

IMAGES = Path(__file__).parent / "images"
PICTURES = {  # name: section that is shown alone ("" for the whole page), width and height
    "demo-report": ("", 1280, 1130),
    "demo-rates": ("rates", 1280, 1240),
    "demo-map": ("map", 1280, 860),
}
SHEET = 1500  # rows of the contact sheet that are shown
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder):
    """Photograph the report of the demonstration in FOLDER, and cut its contact sheet."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        raise click.ClickException(f"none of {', '.join(BROWSERS)} is installed")
    page = (folder / "discovery" / "report.html").read_text(encoding="utf-8")
    for name, (section, width, height) in PICTURES.items():
        with tempfile.TemporaryDirectory() as place:
            shown = Path(place) / "page.html"
            shown.write_text(page.replace("</head>", alone(section) + "</head>", 1), "utf-8")
            picture = photograph(found[0], shown, width, height)
        keep(picture, name)
    with Image.open(folder / "contact-sheet.png") as sheet:
        upper = sheet.convert("RGB").crop((0, 0, sheet.width, min(SHEET, sheet.height)))
    keep(upper.resize((upper.width * 2 // 3, upper.height * 2 // 3)), "contact-sheet")


def alone(section):
    """Style that leaves one section of the page."""
    if not section:
        return ""
    return (
        f"<style>header.top, nav, footer, main > section:not(#{section}) {{display: none}}</style>"
    )


def photograph(browser, page, width, height):
    """The page as a window of that size shows it."""
    target = page.with_suffix(".png")
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    subprocess.run(
        [
            browser,
            *options,
            f"--user-data-dir={page.parent / 'profile'}",
            "--virtual-time-budget=15000",
            f"--window-size={width},{height}",
            f"--screenshot={target}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    with Image.open(target) as picture:
        return picture.convert("RGB")


def keep(picture, name):
    """Write a picture for the documentation."""
    path = IMAGES / f"{name}.webp"
    picture.save(path, quality=82, method=6)
    click.echo(
        f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1e3:.0f} kB"
    )


if __name__ == "__main__":
    main()
