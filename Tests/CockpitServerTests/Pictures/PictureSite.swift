import Primitives
import ServiceRuntime
import Synchronization

@testable import Cockpit
@testable import CockpitTests

/// The pages of the cockpit with the documents of one moment of a made deployment, on a port of its
/// own.
final class PictureSite: Sendable {
    /// So many seconds of it were seen before, for rates and for the growth of the database.
    static let seconds = 1_200

    /// By path.
    let documents: [String: [UInt8]]
    let look: [UInt8]
    /// What is wrong, the worst first.
    let verdict: [Overview.Line]
    private let server: WebServer
    var address: String { "http://127.0.0.1:\(server.port)/" }

    init(_ deployment: MadeDeployment) throws {
        var overview = OverviewMaker()
        var partitions = PartitionBoard()
        var store = StoreBoard()
        var trails = FigureTrails()
        for second in Array(stride(from: 10, to: Self.seconds - 10, by: 5))
            + Array(Self.seconds - 5..<Self.seconds)
        {
            let sighting = try deployment.sighting(Double(second))
            trails.note(overview.make(sighting).figures, at: sighting.now)
            _ = partitions.make(sighting)
            store.note(sighting)
            _ = store.make(sighting, time: 0)
        }
        let now = Double(Self.seconds)
        let (sighting, time) = (try deployment.sighting(now), MadeDeployment.wall(now))
        let made = overview.make(sighting)
        let gaps = GapsDocument(sighting.gaps.value ?? GapList(), sighting.freshServices)
        store.note(sighting)
        trails.note(made.figures, at: sighting.now)
        var documents = [
            "/lines.json": trails.json,
            "/gaps.json": gaps.json,
            "/partitions.json": PartitionsDocument(
                look: partitions.make(sighting), now: sighting.now
            ).json,
            "/store.json": StoreDocument(
                look: store.make(sighting, time: Double(time.nanoseconds) / 1e9),
                now: sighting.now
            ).json,
            "/alerts.json": AlertsDocument(
                prometheus: "http://prometheus:9090",
                known: MadeSighting.known(try Self.alerts(deployment.isBrokerAway), at: now - 0.5),
                verdict: made.verdict, now: sighting.now
            ).json,
        ]
        documents.merge(try deployment.pages(sighting)) { $1 }
        let look = LookDocument(
            sighting: sighting, overview: made, time: time, gapsVersion: gaps.version
        ).json
        let pages = documents
        (self.documents, self.look, verdict) = (pages, look, made.verdict)
        let feed = try EventFeed(instance: "pictures")
        server = try WebServer(
            address: "127.0.0.1", port: 0, limits: CockpitLimits.connections,
            admission: Site.admission, feed: feed
        ) { request in
            if request.path == "/events" {
                feed.publish("look", look)
                return .events(Site.headers, isOpen: { true })
            }
            if let json = pages[request.path] ?? Self.answer(request, pages) {
                return .whole(OperationsResponse(contentType: "application/json", body: json))
            }
            guard let file = WebFiles.file(request.path) else {
                return .whole(.text("there is no such page", status: 404))
            }
            return .whole(OperationsResponse(contentType: file.type, body: file.bytes))
        }
    }

    /// Returns the number of a question in SQL, and its answer: the first is that of the tables.
    private static func answer(_ request: WebRequest, _ pages: [String: [UInt8]]) -> [UInt8]? {
        guard request.path != "/ask" else {
            let isOfTables = String(decoding: request.body, as: UTF8.self).contains("pg_class")
            return Array(#"{"number":"\#(isOfTables ? 1 : 2)"}"#.utf8)
        }
        return pages["\(request.path)?\(request.parameters["number"] ?? "")"]
    }

    private static func alerts(_ hasFault: Bool) throws -> AlertList {
        let fired = """
            {"labels":{"alertname":"ProviderNotConnected","severity":"critical",
            "source":"ib","provider":"ibkr"},
            "annotations":{"summary":"ib is not connected to its broker for 94 s",
            "runbook_url":"docs/runbooks/ProviderNotConnected.md"},
            "state":"firing","activeAt":"2026-03-02T14:38:27Z"},
            {"labels":{"alertname":"GroupLagHigh","severity":"warning","group":"operator"},
            "annotations":{"summary":"operator is 12 s behind the tape",
            "runbook_url":"docs/runbooks/GroupLag.md"},
            "state":"pending","activeAt":"2026-03-02T14:39:56Z"},
            """
        return try AlertList(
            try JSONValue.parse(
                """
                {"status":"success","data":{"alerts":[\(hasFault ? fired : "")
                {"labels":{"alertname":"Watchdog","severity":"none"},"state":"firing",
                "activeAt":"2026-03-02T00:00:00Z"}]}}
                """))
    }
}
