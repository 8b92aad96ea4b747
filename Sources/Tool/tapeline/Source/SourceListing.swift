import MarketModel
import OperatorGraph
import Primitives

/// The sources of a tape, for a person and for a program.
struct SourceListing {
    let sources: [SurveyedSource]
    let now: Timestamp
    /// The sources whose venue a local stack simulates.
    var simulated: Set<String> = []
    /// A source without a packet for so long is listed as silent: what graphs use unless they say
    /// otherwise.
    private static let silentAfter = GraphDefinition.silentAfterUsual

    var lines: [String] {
        guard !sources.isEmpty else { return ["no source has put anything on this tape"] }
        let head = [
            "SOURCE", "PROVIDER", "KIND", "STATE", "SINCE", "LAST PACKET", "PARTITIONS", "GATEWAY",
        ]
        return TextTable.lines(
            [head]
                + sources.map { source in
                    [
                        source.name.text,
                        source.providers.isEmpty ? "-" : source.providers.joined(separator: ","),
                        source.kind(simulated: simulated), state(source).rawValue,
                        since(source).short,
                        source.last.isDefined ? "\(source.last.age(at: now)) ago" : "-",
                        NumberRanges.text(source.partitions.map(\.number)),
                        source.gateways.isEmpty ? "-" : source.gateways.joined(separator: ", "),
                    ]
                })
    }

    private func state(_ source: SurveyedSource) -> SurveyedSource.State {
        source.state(at: now, silentAfter: Self.silentAfter)
    }

    /// Since when it is retired or silent; undefined while it is alive.
    private func since(_ source: SurveyedSource) -> Timestamp {
        switch state(source) {
        case .retired: source.retired
        case .silent: source.last
        case .alive: .undefined
        }
    }

    func json() -> String {
        var json = JSONWriter(capacity: 4_096)
        json.object { json in
            json.member(
                "sources",
                array: { json in for source in sources { write(source, into: &json) } })
        }
        return json.text
    }

    private func write(_ source: SurveyedSource, into json: inout JSONWriter) {
        json.object { json in
            json.member("source", source.name.text)
            json.member(
                "providers",
                array: { json in for provider in source.providers { json.value(provider) } })
            json.member("kind", source.kind(simulated: simulated))
            json.member("state", state(source).rawValue)
            Self.write("since", since(source), into: &json)
            Self.write("last_packet", source.last, into: &json)
            json.member(
                "streams",
                array: { json in
                    for (stream, last) in source.lasts.enumerated() {
                        json.object { json in
                            json.member("stream", stream)
                            Self.write("last_packet", last, into: &json)
                        }
                    }
                })
            json.member(
                "partitions",
                array: { json in for each in source.partitions { json.value(each.number) } })
            json.member(
                "gateways",
                array: { json in for gateway in source.gateways { json.value(gateway) } })
        }
    }

    private static func write(_ name: String, _ time: Timestamp, into json: inout JSONWriter) {
        json.key(name)
        if time.isDefined { json.value(time.description) } else { json.null() }
    }
}
