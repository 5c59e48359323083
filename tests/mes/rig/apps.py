from mes.apps import LaminaPackage


class RigConfig(LaminaPackage):
    name = "tests.mes.rig"
    label = "rig"
