import MarketModel
import Primitives
import ProviderKit
import ProviderModel

/// What the providers of a tenure deliver, as the tenure's thread takes it: batch by batch out of
/// their channels, one provider after the other.
struct DeliveredTicks {
    private struct Inlet {
        let provider: any ProviderSource
        let channel: ProviderChannel
        /// Holds when the batch that was received last is taken.
        var floorBehind = Timestamp.undefined
        /// Holds now.
        var floor = Timestamp.undefined
    }

    let book: InstrumentBook
    private(set) var taken: UInt64 = 0
    private var inlets: [Inlet]
    /// The one that the batch is of.
    private var present = 0
    private var batch: [ProviderRecord] = []
    private var position = 0

    /// The providers have been started, each into its channel.
    init(_ providers: [(any ProviderSource, ProviderChannel)], book: InstrumentBook) {
        self.book = book
        inlets = providers.map { Inlet(provider: $0.0, channel: $0.1) }
    }

    var hasNext: Bool { position < batch.count || inlets.contains { $0.channel.count > 0 } }

    /// One batch is taken whole before another provider has its turn.
    @inline(__always)
    mutating func dueSymbol() -> Int? {
        if position == batch.count, !advance() { return nil }
        return Self.symbol(of: batch[position])
    }

    @inline(never)
    private mutating func advance() -> Bool {
        inlets[present].floor = inlets[present].floorBehind
        for offset in 1...inlets.count {
            let index = (present + offset) % inlets.count
            guard inlets[index].channel.isStirred else { continue }
            batch.removeAll(keepingCapacity: true)
            position = 0
            let floor = inlets[index].channel.receive(into: &batch)
            inlets[index].floorBehind = floor
            guard batch.isEmpty else {
                present = index
                return true
            }
            inlets[index].floor = floor
        }
        return false
    }

    @inline(__always)
    private static func symbol(of record: ProviderRecord) -> Int {
        let number: UInt32 =
            switch record {
            case .trade(let tick): tick.header.symbol
            case .quote(let tick): tick.header.symbol
            case .feed(let state): state.instrument
            default: record.header?.symbol ?? TickHeader.noSymbol
            }
        return number == TickHeader.noSymbol ? TickSupply.noSymbol : Int(number)
    }

    var nextKind: DataKind? { position < batch.count ? batch[position].kind : nil }
    var nextTime: Timestamp {
        position < batch.count ? batch[position].header?.eventTime ?? .undefined : .undefined
    }
    var presentProvider: String { inlets[present].provider.name }

    @inline(__always)
    mutating func take() -> ProviderRecord? {
        guard position < batch.count else { return nil }
        position += 1
        taken &+= 1
        return batch[position - 1]
    }

    mutating func putBack() {
        position -= 1
        taken &-= 1
    }

    /// The least of all promises. One that has not spoken yet holds everything back.
    func watermark(now: Timestamp) -> Timestamp {
        var least = now
        for inlet in inlets {
            guard inlet.floor.isDefined else { return Timestamp(nanoseconds: Int64.min) }
            least = min(least, inlet.floor)
        }
        return least
    }

    var isFinished: Bool {
        position == batch.count && inlets.allSatisfy { $0.channel.isFinished }
    }

    mutating func follow(_ change: InstrumentBook.Change) {
        guard !change.begun.isEmpty || !change.ended.isEmpty else { return }
        for inlet in inlets { inlet.provider.follow(begun: change.begun, ended: change.ended) }
    }

    var isUrgent: Bool { inlets.contains { $0.provider.isUrgent } }

    func stop(within timeout: Duration) {
        for inlet in inlets {
            inlet.channel.close()
            _ = inlet.provider.stop(within: timeout)
        }
    }
}
