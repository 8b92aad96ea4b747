import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

@testable import ProviderGateway

extension AuditedMarket {
    init(_ settings: SyntheticMarket.Settings) {
        let market = SyntheticMarket(settings)
        self.init(
            symbols: settings.symbols, fingerprint: market.fingerprint,
            origin: { market.origin(ofTick: $0, at: $1) },
            tick: { index, origin in
                let time = market.time(ofTick: index, origin: origin)
                let isTrade =
                    if case .trade = market.tick(index, origin: origin, received: time) {
                        true
                    } else { false }
                return Tick(
                    symbol: market.symbol(ofTick: index), kind: isTrade ? .trade : .quote,
                    time: time)
            })
    }
}

/// Compares the tape of a test with the synthetic market.
enum TapeAudit {
    /// Compares from the market's first tick to the lowest watermark on the tape, as later ticks
    /// may be under way.
    static func report(
        _ tape: TestTape, _ settings: GatewaySettings
    ) throws -> MarketAudit.Report {
        let audit = try MarketAudit(AuditedMarket(settings.market), tape, source: settings.source)
        let origin = try #require(audit.origin)
        return audit.report(from: origin, to: try watermark(tape, settings.source))
    }

    static func watermark(_ tape: TestTape, _ source: SourceName) throws -> Timestamp {
        var lowest = Timestamp.undefined
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            let own = try tape.client.lastContent(
                stream: tape.names.tickStream(of: partition),
                subject: tape.names.ticks(partition, source))
            let idle = try tape.client.lastContent(
                stream: tape.names.tickStream(of: partition),
                subject: tape.names.watermarks(
                    stream: tape.names.streamIndex(of: partition), source))
            let marks = [own, idle].compactMap { $0?.header.watermark }
            lowest = min(lowest, marks.max() ?? Timestamp(nanoseconds: 0))
        }
        return lowest
    }
}
