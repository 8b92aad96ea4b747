import MarketModel
import Primitives
import ValkeyClient

/// How the hot state looks in Valkey: a hash per symbol and kind, gone after five minutes without
/// news.
///
///     md:quote:<symbol>          bid bid_size ask ask_size bid_exchange ask_exchange ts source
///     md:trade:<symbol>          price size exchange ts source
///     md:bar:<symbol>:<series>   open high low close volume vwap trades ts close_ts partial source
///
/// Each has `order`, the place on the tape: the server takes a value only if it is newer.
struct HotKeys {
    static let expiryMilliseconds: Int64 = 300_000

    private static let script = """
        local order = redis.call('HGET', KEYS[1], 'order')
        if order and order > ARGV[1] then return 0 end
        redis.call('HSET', KEYS[1], 'order', ARGV[1], unpack(ARGV, 3))
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return 1
        """

    private let namespace: String
    private var digest = ""

    init(namespace: String) { self.namespace = namespace }

    struct LoadFailed: Error, CustomStringConvertible {
        let reason: String
        var description: String {
            "Valkey does not take the script that orders the hot state (\(reason)): "
                + "the user needs the rights +@scripting +@hash +@keyspace"
        }
    }

    mutating func load(on session: ValkeyConnection) throws {
        let reply = try session.command(["SCRIPT", "LOAD", .text(Self.script)])
        guard let text = reply.text else {
            throw LoadFailed(reason: reply.errorMessage ?? "no digest came back")
        }
        digest = text
    }

    /// Puts one command per key into the pipeline and says how many.
    func append(_ news: HotNews, to session: ValkeyConnection) -> Int {
        var commands = 0
        func append(_ key: String, _ order: HotOrder, _ fields: [(String, String)]) {
            var words: [ValkeyArgument] = [
                "EVALSHA", .text(digest), 1, .text("\(namespace):\(key)"), .text(order.text),
                .integer(Self.expiryMilliseconds),
            ]
            for (name, value) in fields { words += [.text(name), .text(value)] }
            session.append(words)
            commands += 1
        }
        for (symbol, quote) in news.quotes { append("quote:\(symbol)", quote.order, quote.fields) }
        for (symbol, trade) in news.trades { append("trade:\(symbol)", trade.order, trade.fields) }
        for (key, bar) in news.bars {
            append("bar:\(key.symbol):\(key.series)", bar.order, bar.fields)
        }
        return commands
    }
}

extension Price {
    fileprivate var hot: String { isDefined ? description : "" }
}

extension Quantity {
    fileprivate var hot: String { isDefined ? description : "" }
}

extension HotNews.Value where Record == Trade {
    var fields: [(String, String)] {
        [
            ("price", record.price.hot), ("size", record.size.hot),
            ("exchange", record.exchange.text), ("ts", "\(record.header.eventTime.nanoseconds)"),
            ("receive_ts", "\(record.header.receiveTime.nanoseconds)"), ("source", source),
        ]
    }
}

extension HotNews.Value where Record == Quote {
    var fields: [(String, String)] {
        [
            ("bid", record.bidPrice.hot), ("bid_size", record.bidSize.hot),
            ("ask", record.askPrice.hot), ("ask_size", record.askSize.hot),
            ("bid_exchange", record.bidExchange.text), ("ask_exchange", record.askExchange.text),
            ("ts", "\(record.header.eventTime.nanoseconds)"),
            ("receive_ts", "\(record.header.receiveTime.nanoseconds)"), ("source", source),
        ]
    }
}

extension HotNews.Value where Record == Bar {
    var fields: [(String, String)] {
        [
            ("open", record.open.hot), ("high", record.high.hot), ("low", record.low.hot),
            ("close", record.close.hot),
            ("volume", FixedPoint.text(record.volume, decimals: Quantity.decimals)),
            ("vwap", record.vwap.hot), ("trades", "\(record.trades)"),
            ("ts", "\(record.openTime.nanoseconds)"),
            ("close_ts", "\(record.closeTime.nanoseconds)"),
            ("partial", record.flags.contains(.partial) ? "1" : "0"), ("source", source),
        ]
    }
}
