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
            runbookURL: isOfWeb && url.utf8.count <= 2_048 ? url : nil)
    }
}

/// The shipped alerts by the page that shows their subject. Each has a runbook of its name.
enum ShippedAlerts {
    /// The path of the page. `nil` for an alert that is not shipped.
    static func page(_ name: String) -> String? {
        if names.partitions.contains(name) { return "partitions" }
        if names.store.contains(name) { return "store" }
        if names.gaps.contains(name) { return "gaps" }
        if names.letters.contains(name) { return "dead" }
        if names.feeds.contains(name) { return "feeds" }
        if names.actions.contains(name) { return "actions" }
        return names.overview.contains(name) ? "./" : nil
    }

    static var all: [String] {
        [
            names.partitions, names.store, names.gaps, names.letters, names.feeds, names.actions,
            names.overview,
        ].flatMap { $0 }
    }

    private struct Names: Sendable {
        let partitions: Set<String>
        let store: Set<String>
        let gaps: Set<String>
        let letters: Set<String>
        let feeds: Set<String>
        let actions: Set<String>
        let overview: Set<String>
    }

    private static let names = Names(
        partitions: [
            "PartitionsWithoutOwner", "SourceWithoutOwner", "MemberPaused", "MemberDoubled",
            "MemberDrained", "TakeOverSlow", "GroupLagGrowing", "GroupLagHigh", "LagUnknown",
            "BarsBehind",
            "PartitionStopped", "CheckpointsFailing", "RepairsRefused", "TapeWithoutKeeper",
            "TapeReaderStopped",
        ],
        store: [
            "BreakerOpen", "NothingStored", "WorkersDying", "WriterQueueFull", "QueueDropsTicks",
            "RowsLate", "DatabaseNotDurable", "DatabaseServerRefused", "DatabaseNotSynchronous",
            "DatabaseFilling", "DatabaseNearlyFull", "BackupTooOld", "BackupLogStalled",
            "ClusterBackupTooOld", "ClusterBackupUnknown", "ClusterLogStalled",
            "DatabaseRoomUnknown",
            "DatabaseUpkeepFailing", "ExportTooOld", "ValkeyAway", "ValkeyFull",
        ],
        gaps: [
            "GapsOpen", "GapsGivenUp", "GapsNotStored", "LoadHeldUp", "TicksLeftOut",
            "ProviderTradesLost", "BinanceTradesDiffer", "MassiveNotReread", "TapeLostData",
        ],
        letters: ["DeadLetters", "DeadLettersWaiting", "DeadLettersLost"],
        feeds: [
            "ProviderNotConnected", "ProviderRefused", "ProviderAccountInUse", "ProviderSilent",
            "ProviderFeedsDown", "BinanceOneConnection", "IBKRWaitingForLines", "IBKRChannelFull",
            "IBKRSizesInLots", "IBKRClockSkewed",
        ],
        actions: ["ActionsNotTaken"],
        overview: [
            "WatermarkStalled", "SourceMissing", "WatermarkHeld", "SpoolInUse", "SpoolFilling",
            "SpoolNeedsPerson", "SpoolFailing", "DiskFilling", "DiskNearlyFull", "Watchdog",
            "ServiceDown", "ServiceAway",
            "ServiceMissing",
            "ServiceRestarting", "ThreadHung", "NatsAway", "NatsUnsteady", "NatsErrors",
            "NatsRefused",
            "CockpitWithoutNats", "KeeperFailing", "LogLinesLost", "CalendarEnding",
            "CalendarEnded", "LateTicks", "TapeHeadroomLow", "TapePurgeHeld",
            "TapeNotDurable", "TapeDurabilityUnknown", "TapeCopiesMissing", "TapeCopyBehind",
            "TapeCopyDiffers", "TapeSlow", "ClocksDisagree",
        ])
}
