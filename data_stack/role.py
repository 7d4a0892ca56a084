"""The roles in which programs and people ask; `serving/roles.py` says what each may do. Imports nothing heavy."""

from enum import StrEnum


class Role(StrEnum):
    """Who asks."""

    ANALYST = "analyst"
    ML_ENGINEER = "ml_engineer"
    DATA_ENGINEER = "data_engineer"
    OWNER = "owner"
