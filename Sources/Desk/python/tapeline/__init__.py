"""Market data of Tapeline as data frames: exact times, exact prices, and no hole that nobody sees.

    import tapeline
    desk = tapeline.connect()                     # the local stack that is up; or tapeline.open("day.tape"),
                                                  # or without a stack tapeline.demo()
    bars = desk.bars("AAPL", "1m", "2026-11-20 09:30", "16:00", tz="America/New_York")
    bars.to_polars()                              # or to_pandas(), to_numpy(), write_parquet("bars.parquet")
"""

from .book import Book, BookRow
from .batches import LiveBatch
from .columns import Batch, PriceType
from .coverage import Coverage, Missing
from .dbn import export_dbn
from .desk import Desk, connect, demo, open
from .errors import DamagedTape, Misfit, NotKnown, NotReachable, Stale, TapeHole, TapelineError
from .export import Export
from .follow import Follow
from .follow_batches import FollowBatch
from .frames import Table
from .latest_values import Feed, Latest, LatestValue
from .live import Live
from .nautilus import export_nautilus
from .past import Seam
from .provenance import Differs, LaneDifference, Verified, verify
from .selection import Selection
from .simulation import Simulation, simulate
from .tool import Explanation, Proof
from .tree import export_tree
from .version import __version__

__all__ = [
    "Batch", "Book", "BookRow", "Coverage", "DamagedTape", "Desk", "Differs", "Explanation", "Export", "Feed",
    "Follow", "FollowBatch", "LaneDifference", "Latest", "LatestValue", "Live", "LiveBatch", "Misfit", "Missing",
    "NotKnown", "NotReachable", "PriceType", "Proof", "Seam", "Selection", "Simulation", "Stale", "Table",
    "TapeHole", "TapelineError", "Verified", "__version__", "connect", "demo", "export_dbn", "export_nautilus",
    "export_tree", "open", "simulate", "verify",
]
