import DeploymentWatch
import Primitives

/// The alerts of a Prometheus that fire or soon will.
struct AlertList: Equatable, Sendable {
    /// The most alerts that are shown. All are counted.
    static let alertsMax = 200
    /// The most labels of one that are shown.
    static let labelsMax = 8
    /// It always fires, so its absence says that the shipped rules are not evaluated.
    static let watchdog = "Watchdog"

    struct Alert: Equatable, Sendable {
        let name: String
        let severity: String
        let isFiring: Bool
        /// The wall clock, as text.
        let since: String
        let summary: String
        /// What it is about, as `name=value`.
        let labels: [String]
        /// The name of the page in `docs/runbooks`, if it is a shipped one.
        let runbook: String?
        /// The address of its runbook, if it is one of the web.
        let runbookURL: String?

        /// The worst first.
        fileprivate var rank: Int {
            (isFiring ? 0 : 10) + (severity == "critical" ? 0 : severity == "warning" ? 1 : 2)
        }
    }

    var alerts: [Alert] = []
    var total = 0
    var hasWatchdog = false

    struct NoAlerts: Error, CustomStringConvertible {
        let reason: String
        var description: String { "Prometheus: \(reason)" }
    }

    init() {}

    /// Reads an answer of `/api/v1/alerts`.
    init(_ json: JSONValue) throws(NoAlerts) {
        guard json["status"]?.string == "success", let items = json.at("data", "alerts")?.array
        else {
            let reason = json["error"]?.string ?? "the answer has no alerts"
            throw NoAlerts(reason: OverviewMaker.line(reason))
        }
        var found: [Alert] = []
        for item in items {
            guard let name = item.at("labels", "alertname")?.string else { continue }
            if name == Self.watchdog {
                hasWatchdog = hasWatchdog || item["state"]?.string == "firing"
            } else {
                found.append(Alert(item, name))
            }
        }
        total = found.count
        found.sort { ($0.rank, $0.since, $0.name) < ($1.rank, $1.since, $1.name) }
        alerts = Array(found.prefix(Self.alertsMax))
    }
}

extension AlertList.Alert {
    fileprivate init(_ item: JSONValue, _ name: String) {
        let hidden: Set<String> = ["alertname", "severity"]
        let labels = (item["labels"]?.members ?? []).filter { !hidden.contains($0.key) }
        let url = item.at("annotations", "runbook_url")?.string ?? ""
        let file = url.split(separator: "/").last ?? ""
        let runbook = file.hasSuffix(".md") ? String(file.dropLast(3)) : ""
        let isOfWeb = url.hasPrefix("https://") || url.hasPrefix("http://")
        self.init(
            name: OverviewMaker.line(name),
            severity: OverviewMaker.line(item.at("labels", "severity")?.string ?? ""),
            isFiring: item["state"]?.string == "firing",
            since: OverviewMaker.line(item["activeAt"]?.string ?? ""),
            summary: OverviewMaker.line(item.at("annotations", "summary")?.string ?? ""),
            labels: labels.prefix(AlertList.labelsMax).map {
                OverviewMaker.line("\($0.key)=\($0.value.string ?? "")")
            },
            runbook: ShippedRunbooks.page(runbook) == nil ? nil : runbook,
            runbookURL: isOfWeb && url.utf8.count <= 2_048 ? url : nil)
    }
}

/// The runbooks of the shipped alerts by the page that shows their subject.
enum ShippedRunbooks {
    static let byPage: [String: Set<String>] = [
        "partitions": [
            "Owners", "Members", "GroupLag", "BarsBehind", "PartitionStopped",
            "CheckpointsFailing", "RepairsRefused", "TapeKeeper",
        ],
        "store": [
            "BreakerOpen", "TableBlocked", "DatabaseNotDurable", "DatabaseServerRefused",
            "DatabaseUpkeepFailing", "Backups", "Valkey",
        ],
        "gaps": ["Gaps", "LoadHeldUp", "TicksLeftOut", "ProviderTradesLost", "TapeLostData"],
        "dead": ["DeadLetters"],
        "feeds": [
            "ProviderNotConnected", "ProviderRefused", "ProviderAccountInUse", "ProviderSilent",
            "ProviderFeedsDown", "IBKRSizesInLots",
        ],
        "actions": ["ActionsNotTaken"],
        "./": [
            "Objectives", "Watermark", "SourceMissing", "Spool", "Disk", "Watchdog", "Services",
            "Threads", "Nats", "Calendar", "LateTicks", "TapeRoom", "TapeDurability",
            "TapeCopies", "TapeSlow", "ClocksDisagree", "Certificates",
        ],
    ]

    /// The path of the page. `nil` for a runbook that is not shipped.
    static func page(_ runbook: String) -> String? {
        byPage.first { $0.value.contains(runbook) }?.key
    }
}
