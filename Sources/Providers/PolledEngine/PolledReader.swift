internal import EngineKit
internal import Primitives

/// How a request ended.
package enum PolledOutcome: Sendable {
    /// A whole answer; `retryAfter` in nanoseconds, `nil` when the service says nothing.
    case answer(status: Int, body: [UInt8], retryAfter: Int64?)
    /// No answer came; the reason is one line without secrets.
    case failed(String)
}

/// One value of a series, as a service sent it.
struct PolledValue: Hashable, Sendable {
    /// The service's name of the series.
    var series: String
    var start: Timestamp
    var end: Timestamp
    /// In 1e-9; `nil`: it does not fit.
    var value: Int128?
    /// The value as it was sent, at most `textBytesMax` bytes of it.
    var text: String
    /// The unit, or the label that belongs to the value.
    var unit: String

    /// Takes the value from its text, which is not that of a missing one.
    init(
        _ series: String, _ period: (start: Timestamp, end: Timestamp), text: String, unit: String
    ) {
        self.series = series
        (start, end) = period
        value = PolledDecimal.parse(text)
        self.text = String(decoding: text.utf8.prefix(PolledDecimal.textBytesMax), as: UTF8.self)
        self.unit = unit
    }
}

/// What is known of a series of FRED besides its values.
struct PolledFacts: Hashable, Sendable {
    var frequency: PolledFrequency
    var unit: String
}

/// What an answer means.
enum PolledMeaning: Sendable {
    /// The values, oldest first. `absent` are the asked series that the service does not have.
    case values([PolledValue], absent: Set<String>)
    case facts(PolledFacts)
    /// The service does not have the series, or takes it for none.
    case refusedSeries(String)
    /// The key is missing, wrong, or of another address.
    case refusedKey(String)
    /// Too many requests; in nanoseconds how long to wait, if the service says so.
    case limited(String, retryAfter: Int64?)
    case failed(String)
}

/// Reads the answers of one service. Answers come from outside: whatever is in them, the result is
/// a meaning.
struct PolledReader: Sendable {
    let table: PolledTable
    let hidden: HiddenTexts

    /// Returns what a service says, in one short line.
    private func shown(_ said: String) -> String {
        hidden.line(said, PolledLimits.reasonCharactersMax)
    }

    /// Returns what the outcome of a request means.
    func meaning(of outcome: PolledOutcome, to request: PolledRequest) -> PolledMeaning {
        switch outcome {
        case .failed(let reason):
            return .failed(shown(reason))
        case .answer(let status, let body, let retryAfter):
            do throws(JSONError) {
                let said = try JSONValue.parse(body)
                return meaning(of: said, status, retryAfter, request)
            } catch {
                let reason = "\(table.title) answers with status \(status) and no JSON"
                if Self.areTooMany(status) {
                    return .limited("\(reason): \(table.limitAdvice)", retryAfter: retryAfter)
                }
                return .failed("\(reason): \(HTTPAdvice.text(status))")
            }
        }
    }

    private static func areTooMany(_ status: Int) -> Bool { status == 429 || status == 423 }

    private func meaning(
        of said: JSONValue, _ status: Int, _ retryAfter: Int64?, _ request: PolledRequest
    ) -> PolledMeaning {
        if let problem = problem(said, status) {
            let said = problem.text
            if Self.areTooMany(status) || problem.code == 429 {
                return .limited("\(said): \(table.limitAdvice)", retryAfter: retryAfter)
            }
            if problem.isOfKey {
                return .refusedKey("\(said): \(table.keyAdvice(code: problem.code))")
            }
            if table == .fred, [400, 404].contains(status) {
                return .refusedSeries("\(said): look its name up at fred.stlouisfed.org")
            }
            return .failed("\(said): \(HTTPAdvice.text(status))")
        }
        switch (table, request.subject) {
        case (.fred, .facts): return fredFacts(said)
        case (.fred, .values(let facts)): return fred(said, facts, request.series)
        case (.coingecko, _): return coins(said, request)
        case (.alternativeMe, _): return index(said)
        }
    }

    // MARK: problems

    private struct Problem {
        var code: Int
        var text: String
        var isOfKey: Bool
    }

    /// CoinGecko's codes: no key, a wrong one, a key of the other address.
    private static let keyCodes = [10_002, 10_005, 10_010, 10_011]

    /// Returns what the service reports instead of values; `nil`: it reports nothing.
    private func problem(_ whole: JSONValue, _ status: Int) -> Problem? {
        // CoinGecko wraps some of its errors.
        let said = whole.at("error", "status") == nil ? whole : whole["error"] ?? whole
        let code =
            said["error_code"]?.int ?? said.at("status", "error_code")?.int ?? said["code"]?.int
        let text =
            said["error_message"]?.string ?? said.at("status", "error_message")?.string
            ?? said["error"]?.string ?? said["message"]?.string
            ?? said.at("metadata", "error")?.string
        guard
            status != 200 || code != nil || said["error"]?.string != nil
                || said.at("metadata", "error")?.string != nil
        else { return nil }
        let isOfKey =
            switch table {
            // FRED gives one code, 400, for a wrong key and for a series that it does not have.
            // Only its text names the key.
            case .fred: [401, 403].contains(status) || text?.contains("api_key") ?? false
            // Its 403 is of the client: CoinGecko blocks who does not name itself.
            case .coingecko: status == 401 || code.map(Self.keyCodes.contains) ?? false
            case .alternativeMe: false
            }
        return Problem(
            code: code ?? status,
            text:
                "\(table.title) says \(shown(text ?? "nothing")) (status \(status))",
            isOfKey: isOfKey)
    }

    private func unreadable(_ what: String) -> PolledMeaning {
        .failed("\(table.title) sent an answer without \(what)")
    }

    /// Returns a text of a service as a unit: bounded, and printable.
    private func unit(_ text: String?) -> String {
        var line = shown(text ?? "")
        while line.utf8.count > PolledLimits.nameBytesMax { line.removeLast() }
        return line
    }

    // MARK: FRED

    private func fredFacts(_ said: JSONValue) -> PolledMeaning {
        guard let series = said["seriess"]?.array?.first else { return unreadable("a series") }
        // A frequency that is not known has a value per day, as far as dates go.
        let frequency = series["frequency_short"]?.string.flatMap(PolledFrequency.init) ?? .daily
        return .facts(
            PolledFacts(frequency: frequency, unit: unit(series["units_short"]?.string)))
    }

    /// The value "." is a missing one, as on holidays.
    private func fred(
        _ said: JSONValue, _ facts: PolledFacts, _ series: [String]
    ) -> PolledMeaning {
        guard let series = series.first, let observations = said["observations"]?.array,
            observations.count <= PolledLimits.valuesMax
        else { return unreadable("observations") }
        var values: [PolledValue] = []
        for observation in observations {
            guard let text = observation["value"]?.string,
                let date = observation["date"]?.string.flatMap({ CivilDate($0) }),
                let period = facts.frequency.period(of: date)
            else { return unreadable("dates and values") }
            guard text != "." else { continue }
            values.append(PolledValue(series, period, text: text, unit: facts.unit))
        }
        return .values(values.sorted { $0.start < $1.start }, absent: [])
    }

    // MARK: CoinGecko

    /// A coin without a price, or without its time, has none at present. One that is not there does
    /// not exist.
    private func coins(_ said: JSONValue, _ request: PolledRequest) -> PolledMeaning {
        guard let members = said.members, members.count <= PolledLimits.valuesMax else {
            return unreadable("coins")
        }
        let coins = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
        var values: [PolledValue] = []
        var absent: Set<String> = []
        for series in request.series {
            guard let coin = coins[series] else {
                absent.insert(series)
                continue
            }
            guard case .number(let text) = coin[request.currency] ?? .null,
                let period = Self.second(coin["last_updated_at"]?.int)
            else { continue }
            values.append(
                PolledValue(series, period, text: text, unit: request.currency.uppercased()))
        }
        return .values(values, absent: absent)
    }

    /// Returns the second that a stamp names.
    private static func second(_ seconds: Int?) -> (start: Timestamp, end: Timestamp)? {
        span(seconds, 1)
    }

    private static func span(
        _ seconds: Int?, _ length: Int64
    ) -> (start: Timestamp, end: Timestamp)? {
        // Up to the year 2200.
        guard let seconds, (0...7_258_118_400).contains(seconds) else { return nil }
        let start = Timestamp(nanoseconds: Int64(seconds) * 1_000_000_000)
        return (start, start.advanced(byNanoseconds: length * 1_000_000_000))
    }

    // MARK: Alternative.me

    /// Numbers come as texts. The label is kept as it was sent: published bands differ from it.
    private func index(_ said: JSONValue) -> PolledMeaning {
        guard let days = said["data"]?.array, !days.isEmpty,
            days.count <= PolledLimits.valuesMax
        else { return unreadable("data") }
        var values: [PolledValue] = []
        for day in days {
            guard let text = day["value"]?.string,
                let period = Self.span(day["timestamp"]?.string.flatMap { Int($0) }, 86_400)
            else { return unreadable("values and times") }
            values.append(
                PolledValue(
                    PolledTable.alternativeMe.onlySeries ?? "", period, text: text,
                    unit: unit(day["value_classification"]?.string)))
        }
        return .values(values.sorted { $0.start < $1.start }, absent: [])
    }
}
