internal import Primitives
internal import VenueWeb

/// The answers of FRED: `/fred/series`, `/fred/series/observations` and
/// `/fred/series/vintagedates`.
struct FredRequests {
    let series: [FredSeries]
    /// The key that is right; `nil`: none is.
    let key: String?
    /// Simulated.
    let now: Timestamp

    private static let latest = CivilDate(year: 9_999, month: 12, day: 31)

    /// What is wrong with a request.
    private struct Problem: Error {
        let text: String

        init(_ text: String) { self.text = "Bad Request.  \(text)" }
    }

    private enum Question: String {
        case series = "/fred/series"
        case observations = "/fred/series/observations"
        case vintages = "/fred/series/vintagedates"
    }

    static func isJSON(_ request: VenueRequest) -> Bool { request.query["file_type"] == "json" }

    func answer(_ request: VenueRequest) -> HTTPAnswer {
        let isJSON = Self.isJSON(request)
        guard let question = Question(rawValue: request.path) else {
            return FredDocument.error(404, "Not Found", isJSON: isJSON)
        }
        do throws(Problem) {
            try check(request.query)
            guard let series = series.first(where: { $0.id == request.query["series_id"] }) else {
                throw Problem("The series does not exist.")
            }
            let document =
                switch question {
                case .series: try facts(of: series, request.query)
                case .observations: try observations(of: series, request.query)
                case .vintages: try vintages(of: series, request.query)
                }
            var answer = document.answer(isJSON: isJSON)
            guard question == .observations else { return answer }
            answer.log { json in
                json.member("series", series.id)
                let rows = document.entries.map { [$0[2].value, $0[3].value] }
                PolledSite.write(rows, into: &json)
            }
            return answer
        } catch {
            return FredDocument.error(400, error.text, isJSON: isJSON)
        }
    }

    private func check(_ query: [String: String]) throws(Problem) {
        guard let given = query["api_key"] else { throw Problem("Variable api_key is not set.") }
        guard given.utf8.count == 32,
            given.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        else {
            throw Problem(
                "The value for variable api_key is not a 32 character alpha-numeric lower-case "
                    + "string.")
        }
        guard given == key else {
            throw Problem("The value for variable api_key is not registered.")
        }
        guard ["json", "xml", nil].contains(query["file_type"]) else {
            throw Problem("Invalid value for variable file_type.")
        }
        for name in ["units", "frequency", "aggregation_method", "output_type", "vintage_dates"] {
            guard ["lin", "1", nil].contains(query[name]) else {
                throw Problem("The variable \(name) is not simulated.")
            }
        }
    }

    // MARK: parameters

    private struct Span {
        let start: CivilDate
        let end: CivilDate

        var head: [(name: String, value: FredDocument.Value)] {
            [
                ("realtime_start", .text(start.description)),
                ("realtime_end", .text(end.description)),
            ]
        }
    }

    private var today: CivilDate {
        CivilDate(daysSinceEpoch: now.nanoseconds / (86_400 * 1_000_000_000))
    }

    private func date(
        _ name: String, _ query: [String: String], or usual: CivilDate?
    ) throws(Problem) -> CivilDate {
        guard let text = query[name] else { return usual ?? today }
        guard let date = CivilDate(text) else {
            throw Problem("Value of \(name) is not a date: write it as YYYY-MM-DD.")
        }
        return date
    }

    private func realTime(
        _ query: [String: String], start: CivilDate? = nil, end: CivilDate? = nil
    ) throws(Problem) -> Span {
        let span = Span(
            start: try date("realtime_start", query, or: start),
            end: try date("realtime_end", query, or: end))
        guard span.start <= span.end else {
            throw Problem("Value of realtime_start can not be after realtime_end.")
        }
        return span
    }

    private func number(
        _ name: String, _ query: [String: String], or usual: Int, _ range: ClosedRange<Int>
    ) throws(Problem) -> Int {
        guard let text = query[name] else { return usual }
        guard let number = Int(text), range.contains(number) else {
            throw Problem(
                "Variable \(name) is not between \(range.lowerBound) and \(range.upperBound).")
        }
        return number
    }

    // MARK: answers

    /// A vintage with the last day on which it was the newest.
    private struct Row {
        let vintage: FredVintage
        let end: CivilDate?
    }

    private func rows(of series: FredSeries) -> [Row] {
        let known = series.knownDay(now)
        return series.periods(until: known).flatMap { date in
            let vintages = series.vintages(date).filter { $0.known.daysSinceEpoch <= known }
            return vintages.enumerated().map { place, vintage in
                let next = place + 1 < vintages.count ? vintages[place + 1].known : nil
                return Row(
                    vintage: vintage,
                    end: next.map { CivilDate(daysSinceEpoch: $0.daysSinceEpoch - 1) })
            }
        }
    }

    private func observations(
        of series: FredSeries, _ query: [String: String]
    ) throws(Problem) -> FredDocument {
        let span = try realTime(query)
        let first = try date(
            "observation_start", query, or: CivilDate(year: 1_776, month: 7, day: 4))
        let last = try date("observation_end", query, or: Self.latest)
        let rows = rows(of: series)
        let vintages = Set(rows.map(\.vintage.known)).filter { span.start <= $0 && $0 <= span.end }
        guard vintages.count <= PolledLimits.vintagesMax else {
            throw Problem(
                "The number of vintage dates in the real-time period is \(vintages.count), more "
                    + "than \(PolledLimits.vintagesMax).")
        }
        var kept = rows.filter { row in
            first <= row.vintage.date && row.vintage.date <= last
                && row.vintage.known <= span.end && row.end.map { $0 >= span.start } ?? true
        }
        if query["sort_order"] == "desc" { kept.reverse() }
        let limit = try number(
            "limit", query, or: PolledLimits.observationsMax, 1...PolledLimits.observationsMax)
        let offset = try number("offset", query, or: 0, 0...Int(Int32.max))
        var document = FredDocument(
            head: span.head + [
                ("observation_start", .text(first.description)),
                ("observation_end", .text(last.description)), ("units", .text("lin")),
                ("output_type", .number(1)), ("file_type", .text(query["file_type"] ?? "xml")),
                ("order_by", .text("observation_date")),
                ("sort_order", .text(query["sort_order"] ?? "asc")), ("count", .number(kept.count)),
                ("offset", .number(offset)), ("limit", .number(limit)),
            ], root: "observations", list: "observations", entry: "observation")
        document.entries = kept.dropFirst(offset).prefix(limit).map { row in
            // The real-time period of a row never exceeds the one that was asked for.
            [
                ("realtime_start", max(row.vintage.known, span.start).description),
                ("realtime_end", min(row.end ?? span.end, span.end).description),
                ("date", row.vintage.date.description), ("value", row.vintage.value),
            ]
        }
        return document
    }

    private func facts(
        of series: FredSeries, _ query: [String: String]
    ) throws(Problem) -> FredDocument {
        let span = try realTime(query)
        let periods = series.periods(until: series.knownDay(now)).filter {
            series.vintages($0).first.map { $0.known.daysSinceEpoch <= series.knownDay(now) }
                ?? false
        }
        let updated = CivilDate(daysSinceEpoch: max(0, series.knownDay(now)))
        var document = FredDocument(
            head: span.head, root: "seriess", list: "seriess", entry: "series")
        document.entries = [
            [
                ("id", series.id), ("realtime_start", span.start.description),
                ("realtime_end", span.end.description), ("title", series.title),
                ("observation_start", FredSeries.first.description),
                ("observation_end", (periods.last ?? FredSeries.first).description),
                ("frequency", series.frequency.name),
                ("frequency_short", series.frequency.rawValue), ("units", series.units),
                ("units_short", series.units == "Percent" ? "%" : series.units),
                ("seasonal_adjustment", "Not Seasonally Adjusted"),
                ("seasonal_adjustment_short", "NSA"), ("last_updated", "\(updated) 15:20:00-05"),
                ("popularity", "50"), ("notes", "A simulated series; no value is real."),
            ]
        ]
        return document
    }

    private func vintages(
        of series: FredSeries, _ query: [String: String]
    ) throws(Problem) -> FredDocument {
        let span = try realTime(
            query, start: CivilDate(year: 1_776, month: 7, day: 4), end: Self.latest)
        let dates = Set(rows(of: series).map(\.vintage.known)).filter {
            span.start <= $0 && $0 <= span.end
        }.sorted()
        let limit = try number("limit", query, or: 10_000, 1...10_000)
        let offset = try number("offset", query, or: 0, 0...Int(Int32.max))
        var document = FredDocument(
            head: span.head + [
                ("order_by", .text("vintage_date")), ("sort_order", .text("asc")),
                ("count", .number(dates.count)), ("offset", .number(offset)),
                ("limit", .number(limit)),
            ], root: "vintage_dates", list: "vintage_dates", entry: "vintage_date")
        document.texts = dates.dropFirst(offset).prefix(limit).map(\.description)
        return document
    }
}
