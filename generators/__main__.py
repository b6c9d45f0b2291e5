"""``python -m lowbit.generators`` is the ``gen`` command."""

import sys

from .cli import main

sys.exit(main())
