import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import TapeTransport

// The sample as one JSON object on one line.
extension WatchView {
    func json() -> String {
        var writer = JSONWriter(capacity: 8_192)
        writer.object { writer in
            writer.member("time", sample.now.description)
            writer.member("tape", title)
            writer.member(
                "verdict",
                array: { writer in
                    for line in verdict {
                        writer.object { writer in
                            writer.member("level", line.level.rawValue)
                            writer.member("text", line.text)
                            if let page = line.runbook { writer.member("runbook", "\(page).md") }
                        }
                    }
                })
            writer.member(
                "sources",
                array: { writer in for source in sources { write(source, &writer) } })
            if let bars {
                writer.key("bars")
                write(bars, &writer)
            }
            if let universe {
                writer.key("universe")
                write(universe, &writer)
            }
            writer.member(
                "groups", array: { writer in for group in groups { write(group, &writer) } })
            writer.member(
                "streams",
                array: { writer in
                    for stream in sample.streams { Self.write(stream, &writer) }
                })
            if !sample.gapsAbsence.isEmpty {
                writer.member("gaps_unknown", sample.gapsAbsence)
            }
        }
        return writer.text
    }

    private func write(_ source: Source, _ writer: inout JSONWriter) {
        writer.object { writer in
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
    }

    private func write(_ group: Group, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("group", group.name)
            Self.write("lag_ticks", group.ticks, &writer)
            Self.write("lag_bars", group.bars, &writer)
            writer.member("members_ready", group.ready)
            writer.member("owned", group.owned)
            writer.member("owned_silent", group.silent)
            writer.member(
                "members",
                array: { writer in
                    for member in sample.members where member.group.text == group.name {
                        writer.object { writer in
                            writer.member("member", member.heartbeat.member.text)
                            writer.member("state", member.heartbeat.state.rawValue)
                            writer.member(
                                "held",
                                array: { writer in
                                    for held in member.heartbeat.held { writer.value(held.number) }
                                })
                        }
                    }
                })
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
        writer.object { writer in
            writer.member("name", stream.name)
            writer.member("bytes", stream.bytes)
            if let room = stream.room {
                writer.member("max_bytes", room.limitBytes)
                writer.member("headroom_bytes", room.freeBytes)
                writer.member("headroom_percent", room.percent)
            }
        }
    }
}
