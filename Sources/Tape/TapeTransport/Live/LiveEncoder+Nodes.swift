import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

extension LiveEncoder {
    /// Calls `publish` with one message for each tick. These ticks are no longer records of a
    /// packet; their source, partition and provider's id identify them on the tape.
    mutating func encode(
        _ ticks: [LiveNodeTick], _ publish: (Kind, _ subject: String, _ json: [UInt8]) -> Void
    ) {
        for tick in ticks {
            json.removeAll()
            json.object(version: LivePublisher.version) { json in
                switch tick.tick {
                case .trade(let trade): Self.write(trade, of: tick, into: &json)
                case .quote(let quote): Self.write(quote, of: tick, into: &json)
                case .providerBar(let bar): Self.write(bar, of: tick, into: &json)
                }
                json.member("node", tick.node)
                json.member("source", tick.source.text)
                json.member("partition", tick.partition.number)
            }
            let subject = names.liveTicks(ofNode: tick.node, tick.symbol, tick.source)
            publish(.node, subject, json.bytes)
        }
    }

    private static func write(
        _ trade: Trade, of tick: LiveNodeTick, into json: inout JSONWriter
    ) {
        begin(&json, .trade, tick.symbol, trade.header.eventTime)
        values(of: trade, into: &json)
        origin(trade.header, into: &json)
    }

    private static func write(
        _ quote: Quote, of tick: LiveNodeTick, into json: inout JSONWriter
    ) {
        begin(&json, .quote, tick.symbol, quote.header.eventTime)
        values(of: quote, into: &json)
        origin(quote.header, into: &json)
    }

    private static func write(
        _ bar: ProviderBar, of tick: LiveNodeTick, into json: inout JSONWriter
    ) {
        begin(&json, .providerBar, tick.symbol, bar.closeTime)
        values(of: bar, into: &json)
        origin(bar.header, into: &json)
    }
}
