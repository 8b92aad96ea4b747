import MarketModel
import Primitives
import Synchronization

/// What the gateway's thread last said of itself, for the operations port's thread.
final class GatewayReport: Sendable {
    struct Head: Sendable {
        var partition: Partition
        var epoch: UInt64
        var lastOrdinal: UInt64
    }

    struct Progress: Sendable {
        /// Ticks that the provider has handed out since its market began, those of predecessors
        /// included.
        var generated: UInt64 = 0
        var finished = false
        var opened = false
        /// Taken, and not yet sent.
        var waiting = 0
        var partitions: [Head] = []
    }

    private let settings: GatewaySettings
    private let progress = Mutex(Progress())

    init(_ settings: GatewaySettings) { self.settings = settings }

    func update(_ present: Progress) { progress.withLock { $0 = present } }

    func write(into json: inout JSONWriter) {
        let present = progress.withLock { $0 }
        json.member("source", settings.source.text)
        json.member("provider", "synthetic")
        json.member("pace", settings.provider.pace.rawValue)
        json.member("rate", settings.provider.market.rate)
        json.member("symbols", settings.provider.market.symbols.count)
        json.member("generated", present.generated)
        json.member("finished", present.finished)
        json.member("opened", present.opened)
        json.member("waiting", present.waiting)
        json.member(
            "partitions",
            array: { json in
                for head in present.partitions {
                    json.object { json in
                        json.member("partition", head.partition.number)
                        json.member("epoch", head.epoch)
                        json.member("last_ordinal", head.lastOrdinal)
                    }
                }
            })
    }
}
