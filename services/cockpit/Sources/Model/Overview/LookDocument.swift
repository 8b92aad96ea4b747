import DeploymentWatch
import Primitives

/// The document of one event: all that the pages show. Every part has the time at which it was
/// measured, `at`, and the age up to which it speaks of now, `limit`, both in seconds of the
/// server's monotonic clock.
struct LookDocument {
    let sighting: Sighting
    let overview: Overview
    /// The wall clock, for people.
    let time: Timestamp
    /// Changes with the document of the gaps, which pages fetch by itself.
    var gapsVersion = ""

    var json: [UInt8] {
        JSONWriter.made(capacity: 16_384) { writer in
            writer.member("now", Double(sighting.now.nanoseconds) / 1e9)
            writer.member("time", time.description)
            writer.member("pages", WebFiles.version)
            writer.array("verdict") { for line in overview.verdict { Self.write(line, &$0) } }
            writer.array("sources") { writer in
                for source in sighting.sources { write(source, &writer) }
            }
            writer.array("edges") { for edge in overview.edges { Self.write(edge, &$0) } }
            writer.array("figures") { for figure in overview.figures { Self.write(figure, &$0) } }
            writer.array("members") { for member in sighting.members { Self.write(member, &$0) } }
            write("services", sighting.services, &writer) { services, writer in
                for service in services { Self.write(service, &writer) }
            }
            write("streams", sighting.streams, &writer) { streams, writer in
                for stream in streams { Self.write(stream, &writer) }
            }
            write("gaps", sighting.gaps, &writer) { _, _ in }
            writer.member("gaps_version", gapsVersion)
            let counts = sighting.gaps.value?.counts ?? [:]
            writer.object("gap_counts") { writer in
                for (state, count) in counts.sorted(by: { $0.key < $1.key }) {
                    writer.member(state, count)
                }
            }
        }.bytes
    }

    private func write<Value>(
        _ name: String, _ known: Known<Value>, _ writer: inout JSONWriter,
        _ items: (Value, inout JSONWriter) -> Void
    ) {
        writer.object(name) { writer in
            writer.state(of: known, at: sighting.now)
            writer.array("items") { writer in
                if let value = known.value { items(value, &writer) }
            }
        }
    }

    private func write(_ source: Sighting.Head, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", source.name)
            if let kind = sighting.origin(of: source.name) { writer.member("kind", kind) }
        }
    }

    private static func write(_ line: Overview.Line, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("level", line.level.rawValue)
            writer.member("text", line.text)
            if line.isLost { writer.member("lost", true) }
            if let runbook = line.runbook, let page = ShippedRunbooks.page(runbook) {
                writer.member("runbook", runbook)
                writer.member("page", page)
            }
        }
    }

    private static func write(_ edge: Overview.Edge, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", edge.id)
            writer.member("from", edge.from)
            writer.member("to", edge.to)
            writer.member("state", edge.state.rawValue)
            writer.member("words", edge.words)
            if let rate = edge.rate { writer.member("rate", (rate * 10).rounded() / 10) }
            writer.member("unit", edge.unit)
            if let lag = edge.lagRecords { writer.member("lag_records", lag) }
            if let lag = edge.lagSeconds { writer.member("lag_seconds", lag) }
            if let newest = edge.newestAt { writer.member("newest", seconds: newest) }
            writer.member("at", seconds: edge.measuredAt)
        }
    }

    private static func write(_ figure: Overview.Figure, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", figure.name)
            if let value = figure.value { writer.member("value", value) }
            if let line = figure.line { writer.member("line", line.rawValue) }
            writer.member("at", seconds: figure.measuredAt)
        }
    }

    private static func write(_ member: Sighting.Member, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("group", member.group)
            writer.member("name", member.name)
            writer.member("state", member.state)
            if !member.drain.isEmpty { writer.member("drain", member.drain) }
            writer.member("held", member.held.count)
            writer.member("release", member.release)
            writer.member("at", seconds: member.heardAt)
            writer.member("limit", Double(member.limitNanoseconds) / 1e9)
        }
    }

    private static func write(_ service: Sighting.Service, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("address", service.address)
            writer.member("name", service.name.isEmpty ? "" : service.shownName)
            writer.member("ready", service.isReady)
            if let uptime = service.process.uptimeSeconds { writer.member("uptime", uptime) }
            writer.member("at", seconds: service.measuredAt)
            writer.member(
                "words",
                OverviewMaker.line(service.problem ?? service.reasons.joined(separator: "; ")))
            writer.member("providers", each: service.providers) { provider, writer in
                writer.member("name", provider.name)
                writer.member("connected", provider.isConnected)
                let feeds = provider.feedCounts.map { "\($0.count) \($0.state)" }
                writer.member("feeds", feeds.joined(separator: ", "))
            }
        }
    }

    private static func write(_ stream: Sighting.Stream, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("name", stream.name)
            writer.member("bytes", stream.bytes)
            if let limit = stream.limit { writer.member("max_bytes", limit) }
            if let percent = stream.freePercent { writer.member("free_percent", percent) }
        }
    }
}
