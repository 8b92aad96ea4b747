internal import MarketModel
internal import TapeCodec

/// The names of a row's symbol, as indexes of texts; -1: none.
struct RowNames: BitwiseCopyable {
    var symbol: Int32 = -1
    var provider: Int32 = -1
    /// The source of the symbol's ticks, in packets of bars.
    var source: Int32 = -1
    /// Whether the selection has the symbol.
    var isOfSymbols = true
    /// Whether the selection has that source.
    var isOfSources = true
    /// Whether it is what a definition says.
    var isDefined = true
}

/// What the indexes of one packet's symbols mean. An index beyond the number of definitions that a
/// packet may hold is ignored when it is set.
///
/// Safety: names are read below `count`, which is never above the capacity; all of these are set.
/// The decoder keeps the memory: a reference would be counted with each packet.
@safe
struct PacketNames {
    /// Memory that is used again with each packet.
    @safe
    final class Memory {
        fileprivate let names: UnsafeMutablePointer<RowNames>

        init() { unsafe names = .allocate(capacity: PacketLimits.definitionsMax) }

        deinit { unsafe names.deallocate() }
    }

    private let names: UnsafeMutablePointer<RowNames>
    private var count = 0
    /// Below it, all are defined.
    private var dense = 0

    init(_ memory: Memory) { unsafe names = memory.names }

    @inline(__always)
    mutating func set(_ index: UInt32, _ found: RowNames?) {
        guard index < PacketLimits.definitionsMax else { return }
        var own = found ?? RowNames()
        own.isDefined = found != nil
        var gap = RowNames()
        gap.isDefined = false
        while count < index {
            unsafe (names + count).initialize(to: gap)
            count &+= 1
        }
        unsafe (names + Int(index)).initialize(to: own)
        if count == index { count &+= 1 }
        if dense == index, found != nil { dense &+= 1 }
        if dense > index, found == nil { dense = Int(index) }
    }

    /// Whether a definition of an index was set. It may be set again.
    func isDefined(_ index: UInt32) -> Bool {
        unsafe index < count && names[Int(index)].isDefined
    }

    /// Whether an index is one of the definitions that nearly all ticks have. Others may have a
    /// meaning, too.
    @inline(__always)
    func isUsual(_ index: UInt32) -> Bool { index < dense }

    /// What an index means; no names for one without a meaning. Of a row that is kept, `isUsual` or
    /// `names` was asked before.
    @inline(__always)
    subscript(index: UInt32) -> RowNames {
        unsafe index < count ? names[Int(index)] : RowNames()
    }

    /// Returns what a tick's index means; `place` is the tick's.
    @inline(__always)
    func names(of index: UInt32, _ place: Int) throws(DecodeError) -> RowNames {
        if index < count {
            let found = unsafe names[Int(index)]
            if found.isDefined { return found }
        }
        guard index == TickHeader.noSymbol else {
            throw DecodeError(
                damage: "the packet does not define symbol \(index)", at: place)
        }
        return RowNames()
    }
}
