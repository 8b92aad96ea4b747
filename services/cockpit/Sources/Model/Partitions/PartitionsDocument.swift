import Primitives

/// Partitions for the page that shows them. Every part has its time, as in `LookDocument`.
struct PartitionsDocument {
    let look: PartitionBoard.Look
    let now: MonotonicTime

    var json: [UInt8] {
        JSONWriter.made(capacity: 32_768) { writer in
            writer.member("at", seconds: now)
            writer.member("scaler_each", ScalerLag.each)
            writer.array("groups") { for group in look.groups { write(group, &$0) } }
            writer.array("shares") { for share in look.shares { write(share, &$0) } }
        }.bytes
    }

    private func write(_ group: PartitionBoard.Group, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", group.name)
            writer.member("partitions", group.partitions)
            writer.array("members") { for each in group.members { write(each, &$0) } }
            if let scaler = group.scaler {
                writer.object("scaler") { writer in
                    writer.member("records", scaler.records)
                    if let seconds = scaler.seconds { writer.member("seconds", seconds) }
                    if let drain = scaler.drainSeconds { writer.member("drain", drain) }
                    writer.member("asks", scaler.asked(partitions: group.partitions))
                    writer.member("at", seconds: group.scalerAt)
                }
            }
            writer.array("rows") { for row in group.rows { write(row, &$0) } }
        }
    }

    private func write(_ member: Sighting.Member, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", member.name)
            writer.member("state", member.state)
            writer.member("held", values: member.held)
            writer.member("at", seconds: member.heardAt)
            writer.member("limit", Double(member.limitNanoseconds) / 1e9)
        }
    }

    private func write(_ row: PartitionBoard.Row, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("partition", row.partition)
            writer.member("owners", values: row.owners)
            writer.member("at", seconds: row.heardAt)
            writer.member("limit", Double(row.limitNanoseconds) / 1e9)
            if let record = row.record {
                writer.object("record") { writer in
                    writer.member("owner", record.owner)
                    writer.member("epoch", record.epoch)
                    writer.member("since", record.since)
                    writer.member("at", seconds: row.recordAt)
                }
            }
            if let previous = row.previous { writer.member("previous", previous) }
            if let lag = row.lag { writer.member("lag", lag) }
            if let checkpoint = row.checkpointAt {
                writer.object("checkpoint") { writer in
                    writer.member("stored", seconds: checkpoint)
                    writer.member("at", seconds: row.checkpointSaidAt)
                }
            }
        }
    }

    private func write(_ share: PartitionBoard.Share, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("partition", share.partition)
            writer.member("rate", share.perSecond)
            writer.member("part", share.part)
            writer.member("hot", share.isHot)
            writer.member("at", seconds: share.measuredAt)
        }
    }
}

extension JSONWriter {
    /// Writes seconds of the monotonic clock, down to milliseconds, as pages are sent often. What
    /// was never measured has no time. A part is stale after `Freshness`, if it has no other limit.
    mutating func member(_ name: String, seconds time: MonotonicTime) {
        if time != .distantPast { member(name, Double(time.nanoseconds / 1_000_000) / 1e3) }
    }

    /// Writes when the answer to a question was measured, and why there is no fresh one.
    mutating func state<Value>(of known: Known<Value>, at now: MonotonicTime) {
        member("at", seconds: known.measuredAt)
        if let absence = known.absence(at: now) { member("absence", OverviewMaker.line(absence)) }
    }

    mutating func member(_ name: String, _ lag: PartitionShares.Lag) {
        object(name) { writer in
            writer.member("records", lag.records)
            if let seconds = lag.seconds { writer.member("seconds", seconds) }
            writer.member("at", seconds: lag.reportedAt)
        }
    }
}
