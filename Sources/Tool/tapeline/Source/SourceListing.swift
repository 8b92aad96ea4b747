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
        sources.isEmpty ? ["no source has put anything on this tape"] : rows.table
    }

    var rows: ReportRows<SurveyedSource> {
        ReportRows(
            sources,
            [
                ReportColumn("SOURCE", "source") { .text($0.name.text) },
                ReportColumn("PROVIDER", "providers") { .texts($0.providers) },
                ReportColumn("KIND", "kind") { .text($0.kind(simulated: simulated)) },
                ReportColumn("STATE", "state") { .text(state($0).rawValue) },
                ReportColumn("SINCE", "since") { .time(since($0)) },
                ReportColumn("LAST PACKET", "last_packet", shown: ago) { .time($0.last) },
                ReportColumn("", "streams") { source in
                    .nested { json in
                        json.list(of: source.lasts.enumerated()) { last, json in
                            json.member("stream", last.offset)
                            json.member("last_packet", orNull: last.element)
                        }
                    }
                },
                ReportColumn(
                    "PARTITIONS", "partitions",
                    shown: { NumberRanges.text($0.partitions.map(\.number)) },
                    { .numbers($0.partitions.map(\.number)) }),
                ReportColumn("GATEWAY", "gateways") { .texts($0.gateways) },
            ])
    }

    private func ago(_ source: SurveyedSource) -> String {
        source.last.isDefined ? "\(source.last.age(at: now)) ago" : "-"
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

    func json() -> String { JSONWriter.made { $0.member("sources", rows: rows) }.text }
}
