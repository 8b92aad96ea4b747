public import MarketModel
internal import Primitives

/// A reader of a packet's trades with their ordinals. Their symbols are indexes into the tables of
/// the partition. `TradeWalk` of the module OperatorGraph conforms.
///
/// A conforming `next` that is `@inline(__always)` becomes a part of the machine's loop. A reader
/// may own arrays: it is moved and never copied, so they have one owner.
public protocol TradeReader: ~Copyable {
    /// Returns the next trade; `nil` where the packet holds a new definition, and at its end.
    mutating func next(in packet: RawSpan) -> (trade: Trade, ordinal: UInt64)?

    /// Returns the trade that `next` returned last. The loop asks for it when the slow path has to
    /// take a trade, and so need not keep all fields of each one.
    func last(in packet: RawSpan) -> Trade
}

extension BarMachine {
    /// Where the hot path stopped with a tick that it could not add to all of its windows.
    @frozen
    @usableFromInline
    struct Stop {
        /// The first series to which the tick was not added completely.
        @usableFromInline let series: Int
        /// What the window of that series returned; `nil` when no window was tried, because a rule
        /// has to be checked first.
        @usableFromInline let outcome: WindowState.Outcome?

        @inlinable @inline(__always)
        init(series: Int, _ outcome: WindowState.Outcome?) {
            self.series = series
            self.outcome = outcome
        }
    }

    /// A tick with which the hot path stopped. `takeRest` takes it.
    @frozen
    @usableFromInline
    struct Rest {
        @usableFromInline let trade: Trade
        @usableFromInline let ordinal: UInt64
        @usableFromInline let stop: Stop

        @inlinable @inline(__always)
        init(_ trade: Trade, _ ordinal: UInt64, _ stop: Stop) {
            self.trade = trade
            self.ordinal = ordinal
            self.stop = stop
        }
    }

    /// The parts of the machine that the hot path needs, held in registers while it runs.
    @frozen
    @usableFromInline
    struct PlainPath {
        @usableFromInline let source: Int
        @usableFromInline let seriesCount: Int
        /// Whether every complete tick is added unchanged, because no rule checks sizes or
        /// conditions.
        @usableFromInline let isOpen: Bool
        @usableFromInline let roundLot: Int64
        @usableFromInline let conditionsMask: UInt64
        @usableFromInline let feeds: [SymbolTable.Feed]
        @usableFromInline let newest: [UInt32]

        @inlinable @inline(__always)
        init(
            _ machine: borrowing BarMachine, source: Int, ofTrades: Bool,
            _ tables: borrowing PartitionTables
        ) {
            self.source = source
            seriesCount = machine.seriesCount
            // No plain tick is as large as this lot. So all ticks of the other kind go to the slow
            // path, which skips them.
            // Where each symbol has its lot, trades below the largest lot go there, too: so the hot
            // path needs no lot of a symbol.
            roundLot =
                machine.isOfTrades == ofTrades
                ? machine.roundLot ?? tables.symbols.largestLot : Int64.max
            conditionsMask = machine.conditionsMask
            isOpen = roundLot == 0 && conditionsMask == 0
            feeds = tables.symbols.feeds
            newest = machine.windows.newest
        }

        /// Adds a tick to the newest window of each series. Returns `nil` when all took it;
        /// otherwise where the slow path continues.
        @inlinable @inline(__always)
        func add(
            _ trade: Trade, _ ordinal: UInt64, to slots: inout MutableSpan<WindowState>
        ) -> Stop? {
            let symbol = Int(trade.header.symbol)
            guard symbol < feeds.count else { return Stop(series: 0, nil) }
            let feed = feeds[symbol]
            guard feed.source == source, trade.isPlain,
                isOpen
                    || trade.size.raw >= roundLot && trade.conditions.raw & conditionsMask == 0
            else { return Stop(series: 0, nil) }
            let input = WindowState.Input(trade, ordinal: ordinal, feed: feed)
            let first = symbol &* seriesCount
            var index = 0
            while index < seriesCount {
                let outcome = slots[Int(newest[first &+ index])].offer(input)
                guard outcome == .added else { return Stop(series: index, outcome) }
                index &+= 1
            }
            return nil
        }
    }
}
