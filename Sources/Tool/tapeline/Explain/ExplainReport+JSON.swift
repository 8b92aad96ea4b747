import MarketModel
import Primitives
import StoredBars
import StreamCore

// The explanation for programs: one object. Decimals are texts with all their digits.
extension ExplainReport {
    func json() -> String {
        JSONWriter.made { json in
            json.member("symbol", bar.key.symbol.symbol.text)
            json.member("source", bar.key.symbol.source.text)
            json.member("series", bar.key.series.text)
            json.member("number", bar.key.number)
            json.member("open_time", time: Timestamp(nanoseconds: bar.key.openTime))
            json.member("close_time", time: Timestamp(nanoseconds: bar.closeTime))
            json.member("partition", partition.number)
            json.member("is_stored", stored != nil)
            json.member("is_revision_wrong", isRevisionWrong)
            json.member("ticks_from", isOnTape ? "tape" : "tables")
            json.member("bar", objectOrNull: stored?.bar, write)
            json.member("versions", each: numberedVersions) { numbered, json in
                write(numbered.1, numbered.0, into: &json)
            }
            json.member("ticks", each: ticks, write)
            json.member("only_in_tables", values: onlyInTables.map { address($0) })
            json.member("gaps", each: gaps, write)
            json.member("feed_starts", each: tapeSays.feedStarts, write)
            json.member("gap_faults", values: tapeSays.gapFaults)
            json.object("proof") { json in
                json.object("tape") { write(tape, into: &$0) }
                json.object("tables") { write(tables, into: &$0) }
            }
        }.text
    }

    private func write(_ bar: Bar, into json: inout JSONWriter) {
        let prices = [
            ("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close),
            ("vwap", bar.vwap),
        ]
        for (name, price) in prices { json.write(price, as: name) }
        json.member("volume", decimal: bar.volume, decimals: Quantity.decimals)
        json.member("trades", bar.trades)
        json.member("is_whole", !bar.flags.contains(.partial))
        json.member("is_mixed", bar.flags.contains(.mixedProviders))
        json.object("excluded") { json in
            json.member("condition", bar.excluded.condition)
            json.member("odd_lot", bar.excluded.oddLot)
            json.member("filter", bar.excluded.filter)
            json.member("undefined", bar.excluded.undefined)
        }
        guard let row else { return }
        json.member("generation", row.generation)
        json.member("is_filled", row.isFilled)
        json.member("is_withdrawn", row.standing.isWithdrawn)
        json.member("earlier_versions", row.replaced)
    }

    private func write(_ version: BarVersion, _ number: Int64, into json: inout JSONWriter) {
        json.member("number", number)
        json.member("revision", version.revision)
        json.member("reason", version.reason)
        json.member("trades", version.values.trades)
        json.write(version.values.close, as: "close")
        json.member("is_withdrawn", version.isWithdrawn)
        if let epoch = version.epoch { json.member("epoch", epoch) }
        if let sequence = version.sequence { json.member("sequence", sequence) }
        if let sent = version.sent { json.member("sent_at", time: sent) }
        guard let known = version.known else { return }
        json.member("known_at", time: known)
        json.member(
            "delay_ns", known.nanoseconds(since: Timestamp(nanoseconds: bar.closeTime)))
    }

    private func write(_ tick: ExplainedTick, into json: inout JSONWriter) {
        let (price, size) = tick.tick.shown(field)
        json.member("time", time: Timestamp(nanoseconds: tick.tick.time))
        json.member("price", price)
        json.member("size", size)
        json.member("tick_id", address(tick.tick))
        if let packet = tick.packet {
            json.member("sequence", packet.sequence)
            json.member("epoch", packet.epoch)
        }
        json.member("is_in", tick.verdict.isIn)
        json.member("verdict", tick.verdict.name)
        json.member("sentence", tick.verdict.sentence)
        json.member("sets", values: tick.roles.map(\.rawValue))
        json.member("remarks", values: tick.remarks)
    }

    private func write(_ gap: WindowGap, into json: inout JSONWriter) {
        json.member("kind", gap.kind)
        json.member("state", gap.state)
        json.member("reason", gap.reason)
        json.member("from_time", gap.from)
        json.member("to_time", gap.to)
        json.member("source", gap.source)
        json.member("noted_at", gap.noted)
    }

    private func write(_ start: FeedStart, into json: inout JSONWriter) {
        json.member("source", start.source.text)
        json.member("provider", start.provider)
        json.member("time", time: start.time)
    }

    private func write(_ outcome: Outcome, into json: inout JSONWriter) {
        json.member("outcome", outcome.name)
        guard case .differs(let kind, let fields) = outcome else { return }
        json.member("kind", kind.rawValue)
        json.array("fields") { json in for field in fields { field.write(into: &json) } }
    }
}

extension ExplainReport.Outcome {
    fileprivate var name: String {
        switch self {
        case .notAsked: "not_asked"
        case .notThere: "not_there"
        case .equal: "equal"
        case .nothing: "nothing"
        case .differs: "differs"
        }
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ price: Price, as name: String) {
        key(name)
        if price.isDefined { value("\(price)") } else { null() }
    }
}
