"""What the stages that refuse records are called; apart from what they use, so that a command line has them at once."""

from typing import Literal

StageName = Literal["feed", "silver", "gold"]
