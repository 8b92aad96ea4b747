import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import TapeTransport

// The sample as one JSON object on one line.
extension WatchView {
    func json() -> String {
        JSONWriter.made { writer in
            writer.member("time", sample.now.description)
            writer.member("tape", title)
            writer.member("verdict", each: verdict) { line, writer in
                writer.member("level", line.level.rawValue)
                writer.member("text", line.text)
                if let page = line.runbook { writer.member("runbook", "\(page).md") }
            }
            writer.member("steps", each: steps) { step, writer in
                writer.member("name", step.name)
                writer.member("state", step.look.state.rawValue)
                writer.member("words", step.look.words)
            }
            writer.member("sources", each: sources, write)
            if let bars { writer.object("bars") { write(bars, &$0) } }
            if let universe { writer.object("universe") { write(universe, &$0) } }
            writer.member("groups", each: groups, write)
            writer.member("streams", each: sample.streams, Self.write)
            if !sample.gapsAbsence.isEmpty {
                writer.member("gaps_unknown", sample.gapsAbsence)
            }
        }.text
    }

    private func write(_ source: Source, _ writer: inout JSONWriter) {
        writer.member("name", source.name)
        if source.isDelayed { writer.member("delayed", true) }
        writer.member("partitions", source.partitions)
        writer.member("last_ordinals", source.ordinals)
        writer.member("epoch", source.epoch)
        if let rate = source.perSecond { writer.member("per_second", rate) }
        if source.watermark.isDefined {
            writer.member("watermark", source.watermark.description)
            writer.member(
                "watermark_age_seconds",
                Double(sample.now.nanoseconds(since: source.watermark)) / 1e9)
        }
        if let gaps = source.gaps { writer.member("gaps", gaps) }
    }

    private func write(_ group: Group, _ writer: inout JSONWriter) {
        writer.member("group", group.name)
        Self.write("lag_ticks", group.ticks, &writer)
        Self.write("lag_bars", group.bars, &writer)
        writer.member("members_ready", group.ready)
        writer.member("owned", group.owned)
        writer.member("owned_silent", group.silent)
        writer.member("members", each: sample.members.filter { $0.group.text == group.name }) {
            member, writer in
            writer.member("member", member.heartbeat.member.text)
            writer.member("state", member.heartbeat.state.rawValue)
            writer.member("held", values: member.heartbeat.held.map(\.number))
        }
    }

    private static func write(
        _ name: String, _ lag: WatchPositions.Lag?, _ writer: inout JSONWriter
    ) {
        guard let lag else { return }
        writer.member(name, lag.ordinals)
        if lag.unheard > 0 { writer.member("\(name)_partitions_unheard", lag.unheard) }
    }

    private static func write(_ stream: WatchSample.Stream, _ writer: inout JSONWriter) {
        writer.member("name", stream.name)
        writer.member("bytes", stream.bytes)
        if let room = stream.room {
            writer.member("max_bytes", room.limitBytes)
            writer.member("headroom_bytes", room.freeBytes)
            writer.member("headroom_percent", room.percent)
        }
    }
}
