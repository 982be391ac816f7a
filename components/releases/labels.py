"""What a model's entry in the model config file says of versions and labels, and its changes.

Labelled versions have to be loaded, so the policy becomes `specific` and lists them; `all` loads
them anyway and stays. A version that loses its last label leaves the list.
"""

from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

STABLE = "stable"


def listed(entry: ModelConfig) -> list[int]:
    """The versions that the policy names, ascending; none if it names none."""
    return sorted(set(entry.model_version_policy.specific.versions))


def in_use(entry: ModelConfig) -> set[int]:
    """The versions that the entry names in any way."""
    return {*listed(entry), *entry.version_labels.values()}


def admit(entry: ModelConfig, version: int, served: int | None) -> None:
    """Has a version loaded, besides what is served and labelled.

    An entry whose policy is the latest version served `served`, if there is one; that stays loaded
    and becomes `stable` if nothing is.
    """
    loads = [version]
    if not listed(entry) and served is not None:
        loads.append(served)
        if STABLE not in entry.version_labels:
            entry.version_labels[STABLE] = served
    _list(entry, in_use(entry) | {*loads})


def dismiss(entry: ModelConfig, version: int) -> None:
    """Takes a version out of the list, unless it has a label; an empty list would serve nothing."""
    if version not in entry.version_labels.values() and version in listed(entry):
        _list(entry, {*listed(entry)} - {version})


def label(entry: ModelConfig, name: str, version: int) -> int | None:
    """Gives a label to a version, which is loaded from then on; the version that had it, if any.

    Where nothing is `stable`, the version becomes that, too.
    """
    had = entry.version_labels.get(name)
    entry.version_labels[name] = version
    if STABLE not in entry.version_labels:
        entry.version_labels[STABLE] = version
    _list(entry, in_use(entry) | {version})
    if had is not None:
        dismiss(entry, had)
    return had


def replace(entry: ModelConfig, old: int, new: int) -> list[str]:
    """Puts one version in the place of another, also under all its labels, which are returned."""
    names = sorted(name for name, version in entry.version_labels.items() if version == old)
    for name in names:
        entry.version_labels[name] = new
    _list(entry, in_use(entry) | {new})
    dismiss(entry, old)
    return names


def _list(entry: ModelConfig, versions: set[int]) -> None:
    if entry.model_version_policy.WhichOneof("policy_choice") == "all":
        return
    if versions:
        entry.model_version_policy.specific.versions[:] = sorted(versions)
    else:
        entry.ClearField("model_version_policy")
