import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

extension LiveEncoder {
    /// Calls `publish` with one message for each tick that somebody may hear. These ticks are no
    /// longer records of a packet; their source, partition and provider's id identify them on the
    /// tape.
    mutating func encode(_ ticks: [LiveNodeTick], _ publish: Publish) {
        for tick in ticks {
            let pair = subjects(of: tick.symbol, tick.source)
            send(pair.ticks(ofNode: tick.node, names, &hearing), publish) { json in
                switch tick.tick {
                case .trade(let trade): Self.write(trade, of: tick, into: &json)
                case .quote(let quote): Self.write(quote, of: tick, into: &json)
                case .providerBar(let bar): Self.write(bar, of: tick, into: &json)
                }
                json.member("node", tick.node)
                json.member("source", tick.source.text)
                json.member("partition", tick.partition.number)
            }
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
