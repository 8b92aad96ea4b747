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
@safe
struct PacketNames {
    /// Memory that is used again with each packet.
    @safe
    final class Memory {
        fileprivate let names: UnsafeMutablePointer<RowNames>

        init() { unsafe names = .allocate(capacity: PacketLimits.definitionsMax) }

        deinit { unsafe names.deallocate() }
    }

    private let memory: Memory
    private var count = 0

    init(_ memory: Memory) { self.memory = memory }

    @inline(__always)
    mutating func set(_ index: UInt32, _ found: RowNames?) {
        guard index < PacketLimits.definitionsMax else { return }
        var names = found ?? RowNames()
        names.isDefined = found != nil
        var gap = RowNames()
        gap.isDefined = false
        while count < index {
            unsafe (memory.names + count).initialize(to: gap)
            count &+= 1
        }
        unsafe (memory.names + Int(index)).initialize(to: names)
        if count == index { count &+= 1 }
    }

    /// Returns what a tick's index means; `place` is the tick's.
    @inline(__always)
    func names(of index: UInt32, _ place: Int) throws(DecodeError) -> RowNames {
        if index < count {
            let names = unsafe memory.names[Int(index)]
            if names.isDefined { return names }
        }
        guard index == TickHeader.noSymbol else {
            throw DecodeError(
                damage: "the packet does not define symbol \(index)", at: place)
        }
        return RowNames()
    }
}
