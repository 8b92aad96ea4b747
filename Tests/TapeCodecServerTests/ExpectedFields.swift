import MarketModel
import Primitives
import TapeCodec
import Testing

@testable import TapeCodecTests

/// The fields of messages as text, by the names of the schema, as a program in another language
/// must find them.
enum ExpectedFields {
    typealias Fields = [String: String]

    static func text(_ time: Timestamp) -> String { number(time.nanoseconds) }
    static func text(_ price: Price) -> String { number(price.raw) }
    static func text(_ size: Quantity) -> String { number(size.raw) }
    static func text(_ ratio: Ratio) -> String { number(ratio.raw) }
    static func number(_ value: Int64) -> String {
        value == Int64.max ? "undefined" : String(value)
    }

    static func header(_ header: PacketHeader) -> Fields {
        [
            "checksum": String(header.checksum), "byteCount": String(header.byteCount),
            "tickCount": String(header.tickCount), "epoch": String(header.epoch),
            "firstOrdinal": String(header.firstOrdinal), "watermark": text(header.watermark),
            "sendTime": text(header.sendTime), "partition": header.partition.description,
            "kind": "\(header.kind)", "source": header.source.text,
            "flags": flags(header.flags),
        ]
    }

    private static func flags(_ flags: PacketFlags) -> String {
        [(PacketFlags.epochMarker, "epochMarker"), (.retirement, "retirement")]
            .filter { flags.contains($0.0) }.map(\.1).joined(separator: "|")
    }

    static func symbol(_ index: Int, _ symbol: String, source: String = "") -> Fields {
        [
            "index": String(index), "since": "1767623000000000000", "symbol": symbol,
            "provider": "synthetic", "source": source,
        ]
    }

    static func tick(_ header: TickHeader, action: String = "0") -> Fields {
        [
            "symbol": String(header.symbol), "flags": "snapshot|delayed", "action": action,
            "resolution": "millisecond", "providerTime": text(header.providerTime),
            "receiveTime": text(header.receiveTime), "providerId": String(header.providerID),
        ]
    }

    static func trade(_ trade: Trade) -> Fields {
        tick(trade.header, action: "correction") + [
            "price": text(trade.price), "size": text(trade.size), "exchange": trade.exchange.text,
            "conditions": trade.conditions.text,
        ]
    }

    static func quote(_ quote: Quote) -> Fields {
        tick(quote.header, action: "1") + [
            "bidPrice": text(quote.bidPrice), "bidSize": text(quote.bidSize),
            "askPrice": text(quote.askPrice), "askSize": text(quote.askSize),
            "bidExchange": quote.bidExchange.text, "askExchange": quote.askExchange.text,
        ]
    }

    static func bar(_ bar: Bar) -> Fields {
        [
            "symbol": String(bar.symbol), "series": String(bar.series), "flags": "partial|final",
            "reason": "late", "openTime": text(bar.openTime), "closeTime": text(bar.closeTime),
            "number": String(bar.number), "open": text(bar.open), "high": text(bar.high),
            "low": text(bar.low), "close": text(bar.close), "vwap": text(bar.vwap),
            "trades": String(bar.trades), "excludedByCondition": String(bar.excluded.condition),
            "excludedOddLots": String(bar.excluded.oddLot),
            "excludedByFilter": String(bar.excluded.filter),
            "excludedUndefined": String(bar.excluded.undefined), "volume": String(bar.volume),
            "notional": String(bar.notional), "generation": String(bar.generation),
        ]
    }

    static func output(_ state: OutputState) -> Fields {
        [
            "streamCreated": text(state.input.streamCreated),
            "sequence": String(state.input.sequence),
            "packetEpoch": String(state.input.packet.epoch),
            "packetFirstOrdinal": String(state.input.packet.firstOrdinal),
            "packetChecksum": String(state.input.packet.checksum),
            "checksum": String(state.checksum), "generation": String(state.generation),
        ]
    }

    static func source(_ source: SourceOrdinal) -> Fields {
        [
            "source": source.source.text, "epoch": String(source.epoch),
            "lastOrdinal": String(source.lastOrdinal),
        ]
    }

    static func late(_ late: LateTickRecord) -> Fields {
        let isTrade = late.kind == DataKind.trade.rawValue
        return tick(late.header, action: "correction") + [
            "price": text(late.price), "size": text(late.size), "exchange": late.exchange.text,
            "conditions": late.conditions.text, "askPrice": text(late.askPrice),
            "askSize": text(late.askSize), "ordinal": String(late.ordinal),
            "openTime": text(late.openTime), "closeTime": text(late.closeTime),
            "source": late.source.text, "series": String(late.series),
            "reason": isTrade ? "windowLimit" : "duplicate", "kind": isTrade ? "trade" : "quote",
        ]
    }

    /// Returns the ticks of a golden packet of `TickSamples`.
    static func ticks(_ name: String) throws -> [(String, Fields)] {
        let none = tick(TickSamples.header(symbol: TickHeader.noSymbol))
        let apple = tick(TickSamples.header())
        let (from, to) = (text(TickSamples.time), text(TickSamples.later))
        switch name {
        case "depth":
            return [
                (
                    "DepthUpdate",
                    apple + [
                        "price": "101", "size": "102", "marketMaker": "OVERNIGHT-BOOK",
                        "position": "3", "side": "bid", "operation": "update",
                        "depthFlags": "smart|level2",
                    ]
                ), ("DepthReset", apple + ["reason": "halted"]),
            ]
        case "provider-bar":
            let fields = [
                "openTime": from, "closeTime": to, "open": "111", "high": "112", "low": "-113",
                "close": "114", "vwap": "undefined", "volume": "9223372036854775807000",
                "trades": "115", "kind": "midpoint", "barFlags": "inProgress",
            ]
            return [("ProviderBar", apple + fields)]
        case "option":
            let fields = [
                "impliedVolatility": "250000000", "delta": "-500000000", "gamma": "121",
                "vega": "122", "theta": "undefined", "optionPrice": "123", "dividends": "124",
                "underlyingPrice": "125", "kind": "model", "basis": "prices",
            ]
            return [("OptionComputation", apple + fields)]
        case "news":
            let fields = [
                "provider": "BRFG", "article": "BRFG$04507322",
                "headline": "Größer als \"erwartet\" 😀", "extra": "K:0.97",
            ]
            return [("NewsHeadline", apple + fields)]
        case "bulletin":
            let fields = [
                "kind": "exchangeUnavailable", "text": "Down\nuntil noon", "exchange": "NYSE",
            ]
            return [("NewsBulletin", none + fields)]
        default: return try [record(name, apple, none, from, to)]
        }
    }

    private static func record(
        _ name: String, _ apple: Fields, _ none: Fields, _ from: String, _ to: String
    ) throws -> (String, Fields) {
        switch name {
        case "fundamental":
            let fields = [
                "part": "1", "parts": "2", "documentBytes": "50000", "report": "ReportSnapshot",
                "content": "<ReportSnapshot/>",
            ]
            return ("FundamentalPart", apple + fields)
        case "indicator":
            let fields = [
                "value": "29000000000000000000000", "periodStart": from, "periodEnd": to,
                "revision": "2", "name": "US GDP, seasonally adjusted", "unit": "USD",
            ]
            return ("IndicatorValue", none + fields)
        case "subscription":
            let fields = [
                "subscriptionAction": "switchProvider", "kind": "quote", "mode": "delayedFrozen",
                "provider": "ibkr", "previousProvider": "synthetic", "reason": "by hand",
            ]
            return ("SubscriptionRecord", apple + fields)
        case "gap":
            let fields = [
                "from": from, "to": "undefined", "firstOrdinal": "131", "lastOrdinal": "132",
                "kind": "trade", "reason": "tapeLost", "state": "filling",
                "detail": "stream put back",
            ]
            return ("GapRecord", apple + fields)
        case "repair":
            let fields = [
                "from": from, "to": to, "reason": "bust", "requester": "alice",
                "note": "cancelled at 16:20",
            ]
            return ("RepairRequest", apple + fields)
        case "trade-change":
            let change = try TickSamples.tradeChange()
            let fields = [
                "source": "ibkr", "ordinal": "141", "price": text(change.price),
                "size": text(change.size), "change": "correct", "requester": "alice@desk",
                "note": "typed 10 times too much",
            ]
            return ("TradeChange", apple + fields)
        case "action":
            let fields = [
                "number": "1311768467463790320", "stage": "refused", "person": "alice",
                "origin": "127.0.0.1", "command": "member drain worker-3", "reason": "new disk",
                "outcome": "worker-3 is the last member of operator",
            ]
            return ("ActionRecord", none + fields)
        default:
            Issue.record("nobody said what the golden packet \(name) holds")
            return ("", [:])
        }
    }
}

private func + (left: [String: String], right: [String: String]) -> [String: String] {
    left.merging(right) { $1 }
}
