package import EngineKit

/// A service that is asked for its present values: what one request brings, and how often it may
/// be asked. The three differ in these facts alone.
package enum PolledTable: String, CaseIterable, Sendable {
    /// Economic series of the Federal Reserve Bank of St. Louis, one series a request.
    case fred
    /// Prices of coins, many coins a request.
    case coingecko
    /// The index of fear and greed, the only series.
    case alternativeMe = "alternative-me"

    /// The name for people.
    package var title: String {
        switch self {
        case .fred: "FRED"
        case .coingecko: "CoinGecko"
        case .alternativeMe: "Alternative.me"
        }
    }

    /// The name of its values on the tape and in the table `indicators`.
    package var field: String {
        switch self {
        case .fred, .alternativeMe: "value"
        case .coingecko: "price"
        }
    }

    /// How often it is asked, in nanoseconds, unless the settings say otherwise.
    package var usualEvery: Int64 {
        switch self {
        case .fred, .alternativeMe: 3_600_000_000_000
        // A free key has 10,000 requests a month, which last for a month from 268 s on.
        case .coingecko: 300_000_000_000
        }
    }

    /// The least time between two requests. FRED takes two a second; CoinGecko 30 a minute without
    /// a key. Alternative.me states nothing.
    package var pace: Int64 {
        switch self {
        case .fred: 600_000_000
        case .coingecko: 2_500_000_000
        case .alternativeMe: 1_000_000_000
        }
    }

    /// Whether an answer has earlier periods, too, so that what was not polled in time still comes.
    package var hasPeriods: Bool {
        switch self {
        case .fred, .alternativeMe: true
        case .coingecko: false
        }
    }

    /// The only name of a series; `nil`: there are many.
    var onlySeries: String? {
        switch self {
        case .alternativeMe: "fng"
        case .fred, .coingecko: nil
        }
    }

    /// What a person can do about too many requests.
    var limitAdvice: String {
        switch self {
        case .fred: "wait, or raise FRED_EVERY"
        case .coingecko: "wait, raise COINGECKO_EVERY, or give a key by COINGECKO_API_KEY_FILE"
        case .alternativeMe: "wait, or raise ALTERNATIVE_EVERY"
        }
    }

    /// What a person can do about a key that is not taken. `code`: the service's own.
    func keyAdvice(code: Int) -> String {
        switch (self, code) {
        case (.coingecko, 10_005): "choose a plan that has it"
        case (.coingecko, 10_010): "a Pro key wants COINGECKO_URL=https://pro-api.coingecko.com"
        case (.coingecko, 10_011): "a Demo key wants COINGECKO_URL=https://api.coingecko.com"
        case (.coingecko, _): "check COINGECKO_API_KEY_FILE"
        case (.fred, _): "check FRED_API_KEY_FILE"
        case (.alternativeMe, _): "it takes none"
        }
    }

    /// A series that there is, for texts.
    var example: String {
        switch self {
        case .fred: "DGS10"
        case .coingecko: "bitcoin"
        case .alternativeMe: "fng"
        }
    }
}

/// The engine's settings. Spans are nanoseconds.
package struct PolledSettings: Sendable {
    package var table: PolledTable
    /// How often each series is asked for.
    package var every: Int64
    /// How many of the newest values of a series are published at a first start, with nothing of it
    /// on the tape; 1 to `PolledLimits.windowMax`.
    package var history = 1
    /// Texts that no reason may have, as a service can send back what it was asked.
    package var hidden = HiddenTexts()
    /// For the random part of waits.
    package var seed: UInt64

    package init(_ table: PolledTable, seed: UInt64) {
        self.table = table
        self.seed = seed
        every = table.usualEvery
    }

    /// How many of the newest values of a series are asked for and compared.
    var window: Int {
        table.hasPeriods
            ? min(max(history, PolledLimits.windowUsual), PolledLimits.windowMax) : 1
    }

    /// After so long without a good answer a series counts as down.
    var silentAfter: Int64 {
        let (product, overflow) = every.multipliedReportingOverflow(by: 3)
        return overflow ? Int64.max : product
    }
}

/// Bounds that are no settings.
package enum PolledLimits {
    /// The newest values of a series that are compared, unless more are wanted at a first start.
    package static let windowUsual = 10
    /// The most of them. So many values of a series are known at a time; the oldest is forgotten.
    package static let windowMax = 16
    /// The coins that one request names, as many as CoinGecko's documentation allows for tokens.
    package static let coinsPerRequest = 515
    /// The bytes that their names take in an address, which is at most 8 KiB long.
    package static let coinBytesPerRequest = 7_168
    /// The longest name of a series in bytes.
    package static let nameBytesMax = 64
    /// The values that are read of one answer; more are an error.
    package static let valuesMax = 1_024
    /// The length of a service's text in a reason.
    static let reasonCharactersMax = 120
    /// The first wait after a failure, which doubles up to the period.
    static let retryFirst: Int64 = 10_000_000_000
    /// The wait after too many requests, when the service does not say how long.
    static let limitedWait: Int64 = 60_000_000_000
    /// How long a series that is due may wait for the requests of others, and for its answer,
    /// before that is an outage.
    static let askedWithin: Int64 = 60_000_000_000
    /// How long a refused key or series is not asked for. The wait doubles with each refusal:
    /// services also refuse by mistake.
    static let refusedFirst: Int64 = 60_000_000_000
    /// The longest such wait of a series.
    static let refusedWait: Int64 = 3_600_000_000_000
    /// The longest one of a key: so late a new one counts.
    static let refusedKeyWait: Int64 = 300_000_000_000

    /// Returns how long to wait after so many refusals in a row, 1 or more.
    static func wait(afterRefusals count: Int, atMost limit: Int64 = refusedWait) -> Int64 {
        // Six doublings exceed the longest wait.
        min(limit, refusedFirst << min(6, count - 1))
    }
    /// Notes that wait for a report. Beyond it they are only counted.
    static let notesMax = 256
}
