import MarketModel
import Primitives
import StoredBars
import StreamCore

// The explanation for programs: one object. Decimals are texts with all their digits.
extension ExplainReport {
    func json() -> String {
        var json = JSONWriter(capacity: 8_192)
        json.object { json in
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
            json.key("bar")
            if let bar = stored?.bar { write(bar, into: &json) } else { json.null() }
            json.member(
                "versions",
                array: { json in
                    for (number, version) in numberedVersions {
                        write(version, number, into: &json)
                    }
                })
            json.member(
                "ticks", array: { json in for tick in ticks { write(tick, into: &json) } })
            json.member(
                "only_in_tables",
                array: { json in
                    for tick in onlyInTables { json.value(address(tick)) }
                })
            json.member(
                "gaps", array: { json in for gap in gaps { write(gap, into: &json) } })
            json.member(
                "feed_starts",
                array: { json in for start in tapeSays.feedStarts { write(start, into: &json) } })
            json.member(
                "gap_faults",
                array: { json in for fault in tapeSays.gapFaults { json.value(fault) } })
            json.member(
                "proof",
                object: { json in
                    for (name, outcome) in [("tape", tape), ("tables", tables)] {
                        json.key(name)
                        write(outcome, into: &json)
                    }
                })
        }
        return json.text
    }

    private func write(_ bar: Bar, into json: inout JSONWriter) {
        json.object { json in
            let prices = [
                ("open", bar.open), ("high", bar.high), ("low", bar.low), ("close", bar.close),
                ("vwap", bar.vwap),
            ]
            for (name, price) in prices { json.write(price, as: name) }
            json.member("volume", decimal: bar.volume, decimals: Quantity.decimals)
            json.member("trades", bar.trades)
            json.member("is_whole", !bar.flags.contains(.partial))
            json.member("is_mixed", bar.flags.contains(.mixedProviders))
            json.member(
                "excluded",
                object: { json in
                    json.member("condition", bar.excluded.condition)
                    json.member("odd_lot", bar.excluded.oddLot)
                    json.member("filter", bar.excluded.filter)
                    json.member("undefined", bar.excluded.undefined)
                })
            guard let row else { return }
            json.member("generation", row.generation)
            json.member("is_filled", row.isFilled)
            json.member("is_withdrawn", row.standing.isWithdrawn)
            json.member("earlier_versions", row.replaced)
        }
    }

    private func write(_ version: BarVersion, _ number: Int64, into json: inout JSONWriter) {
        json.object { json in
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
    }

    private func write(_ tick: ExplainedTick, into json: inout JSONWriter) {
        let (price, size) = tick.tick.shown(field)
        json.object { json in
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
            json.member(
                "sets", array: { json in for role in tick.roles { json.value(role.rawValue) } })
            json.member(
                "remarks", array: { json in for remark in tick.remarks { json.value(remark) } })
        }
    }

    private func write(_ gap: WindowGap, into json: inout JSONWriter) {
        json.object { json in
            json.member("kind", gap.kind)
            json.member("state", gap.state)
            json.member("reason", gap.reason)
            json.member("from_time", gap.from)
            json.member("to_time", gap.to)
            json.member("source", gap.source)
            json.member("noted_at", gap.noted)
        }
    }

    private func write(_ start: FeedStart, into json: inout JSONWriter) {
        json.object { json in
            json.member("source", start.source.text)
            json.member("provider", start.provider)
            json.member("time", time: start.time)
        }
    }

    private func write(_ outcome: Outcome, into json: inout JSONWriter) {
        json.object { json in
            json.member("outcome", outcome.name)
            guard case .differs(let kind, let fields) = outcome else { return }
            json.member("kind", kind.rawValue)
            json.member(
                "fields", array: { json in for field in fields { field.write(into: &json) } })
        }
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
