"""environment.yml (conda) offers what pyproject.toml (pip) declares: the same packages within the same bounds."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# What conda-forge calls a package of another name, and the package that it makes of a dependency's extra.
CONDA_NAME = {"matplotlib": "matplotlib-base", "playwright": "playwright-python", "redis": "redis-py"}
CONDA_PACKAGE_OF_EXTRA = {"fakeredis[lua]": "lupa"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def declared() -> tuple[dict[str, SpecifierSet], set[str]]:
    """Bounds by conda name for everything in pyproject.toml, and the conda packages its dependencies' extras need."""
    bounds, from_extras = {}, set()
    for line in sum(PROJECT["optional-dependencies"].values(), start=PROJECT["dependencies"]):
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name == PROJECT["name"]:  # an extra that includes another, as in cachesim[lab]
            continue
        bounds[CONDA_NAME.get(name, name)] = requirement.specifier
        from_extras |= {CONDA_PACKAGE_OF_EXTRA[f"{name}[{extra}]"] for extra in requirement.extras}
    return bounds, from_extras


def offered() -> dict[str, SpecifierSet]:
    """Bounds by conda name for everything in environment.yml but its pip section."""
    requirements = [Requirement(line) for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    return {requirement.name: requirement.specifier for requirement in requirements}


def test_conda_users_get_every_package_that_pip_users_get():
    bounds, from_extras = declared()
    missing = (bounds.keys() | from_extras) - offered().keys()
    assert not missing, f"in pyproject.toml but not in environment.yml: {', '.join(sorted(missing))}"


def test_conda_users_get_no_package_that_pip_users_do_not_get():
    bounds, from_extras = declared()
    extra = offered().keys() - bounds.keys() - from_extras - {"python", "pip"}
    assert not extra, f"in environment.yml but not in pyproject.toml: {', '.join(sorted(extra))}"


def test_conda_users_get_the_versions_that_pip_users_get():
    bounds, conda = declared()[0], offered()
    bounds["python"] = SpecifierSet(PROJECT["requires-python"])
    different = [
        f"{name}: {bounds[name]} in pyproject.toml, {conda[name]} in environment.yml"
        for name in sorted(bounds.keys() & conda.keys())
        if bounds[name] != conda[name]
    ]
    assert not different, "; ".join(different)


def test_conda_users_get_packages_from_conda_forge_alone():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
