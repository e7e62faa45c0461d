"""environment.yml (conda) offers what pyproject.toml (pip) declares: the same packages within the same bounds."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# What conda-forge calls a package of another name.
CONDA_NAME = {
    "backports-zstd": "backports.zstd",
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
    "prometheus-client": "prometheus_client",
    "redis": "redis-py",
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def declared() -> dict[str, SpecifierSet]:
    """Bounds by conda name for everything in pyproject.toml."""
    lines = sum(PROJECT["optional-dependencies"].values(), start=PROJECT["dependencies"])
    requirements = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}
    requirements.pop(PROJECT["name"], None)  # an extra that includes another, as in cachesim[lab]
    return {CONDA_NAME.get(name, name): requirement.specifier for name, requirement in requirements.items()}


def offered() -> dict[str, SpecifierSet]:
    """Bounds by conda name for everything in environment.yml, its pip section included, but for the project itself."""
    lines = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    lines += [line for line in ENVIRONMENT["dependencies"][-1]["pip"] if line != "-e ."]
    return {Requirement(line).name: Requirement(line).specifier for line in lines}


def test_conda_users_get_every_package_that_pip_users_get():
    missing = declared().keys() - offered().keys()
    assert not missing, f"in pyproject.toml but not in environment.yml: {', '.join(sorted(missing))}"


def test_conda_users_get_no_package_that_pip_users_do_not_get():
    extra = offered().keys() - declared().keys() - {"python", "pip"}
    assert not extra, f"in environment.yml but not in pyproject.toml: {', '.join(sorted(extra))}"


def test_conda_users_get_the_versions_that_pip_users_get():
    bounds, conda = declared(), offered()
    bounds["python"] = SpecifierSet(PROJECT["requires-python"])
    different = [
        f"{name}: {bounds[name]} in pyproject.toml, {conda[name]} in environment.yml"
        for name in sorted(bounds.keys() & conda.keys())
        if bounds[name] != conda[name]
    ]
    assert not different, "; ".join(different)


def test_conda_users_get_packages_from_conda_forge_alone():
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
