internal import Primitives
internal import VenueWeb

/// What is wrong with a request.
struct MassiveProblem: Error {
    let text: String
    var status = 400
}

/// The answers to requests for what has happened: `/v3/trades/SYMBOL`, `/v3/quotes/SYMBOL` and
/// `/v2/aggs/ticker/SYMBOL/range/1/{minute,day}/FROM/TO`.
struct MassiveRequests {
    let market: MassiveMarket
    let hasQuotes: Bool
    let now: Timestamp
    /// The number of the request, which its answer names.
    let number: Int64

    func answer(_ request: VenueRequest) -> HTTPAnswer {
        guard request.method == "GET" else { return HTTPAnswer(status: 405) }
        let parts = request.path.split(separator: "/").map(String.init)
        let host = request.headers["host"] ?? "127.0.0.1"
        do throws(MassiveProblem) {
            let query = try Self.query(request.query)
            if parts.count == 3, parts[0] == "v3", let kind = MassivePage.Kind(rawValue: parts[1]) {
                guard kind == .trades || hasQuotes else {
                    return .notAuthorized(number)
                }
                let page = try MassivePage(kind, query, now: now)
                return page.answer(self, symbol: parts[2], host: host)
            }
            if parts.count == 9, Array(parts[0...2]) == ["v2", "aggs", "ticker"],
                parts[4] == "range"
            {
                let page = try MassiveBarPage(Array(parts[5...]), query, now: now)
                return try page.answer(self, symbol: parts[3], host: host)
            }
            return .refusal(404, "page not found", number)
        } catch {
            return .refusal(error.status, error.text, number)
        }
    }

    /// Returns the parameters, with those of the cursor instead of the others if there is one.
    private static func query(
        _ query: [String: String]
    ) throws(MassiveProblem) -> [String: String] {
        guard let cursor = query["cursor"] else { return query }
        guard let bytes = MassiveCursor.decode(cursor) else {
            throw MassiveProblem(text: "cursor is not valid")
        }
        var parameters: [String: String] = [:]
        for pair in String(decoding: bytes, as: UTF8.self).split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { parameters[parts[0]] = parts[1] }
        }
        return parameters
    }

    /// Returns how many results an answer has.
    static func limit(
        _ query: [String: String], usual: Int
    ) throws(MassiveProblem) -> Int {
        guard let text = query["limit"] else { return usual }
        guard let limit = Int(text), (1...MassiveLimits.recordsPerAnswerMax).contains(limit) else {
            throw MassiveProblem(
                text: "limit must be from 1 to \(MassiveLimits.recordsPerAnswerMax)")
        }
        return limit
    }

    /// Returns whether the newest result comes first.
    static func isDescending(
        _ query: [String: String], _ name: String, usual: String
    ) throws(MassiveProblem) -> Bool {
        let order = query[name] ?? usual
        guard order == "asc" || order == "desc" else {
            throw MassiveProblem(text: "\(name) must be asc or desc")
        }
        return order == "desc"
    }

    /// Returns the beginning of a day that is written as a date; `nil`: it is none.
    static func day(_ text: String) -> Timestamp? {
        guard let date = CivilDate(text) else { return nil }
        let (noon, isTooFar) = date.daysSinceEpoch.multipliedReportingOverflow(
            by: MassiveMarket.dayNanoseconds)
        guard !isTooFar else { return nil }
        // The day of New York contains the noon of Greenwich.
        return MassiveMarket.day(
            of: Timestamp(nanoseconds: noon).advanced(
                byNanoseconds: MassiveMarket.dayNanoseconds / 2))
    }
}

/// What a link to the next page carries.
enum MassiveCursor {
    static func encode(_ parameters: [(name: String, value: String)]) -> String {
        let text = parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        return String(
            Base64.encode(Array(text.utf8)).compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                case let other: other
                }
            })
    }

    static func decode(_ text: String) -> [UInt8]? {
        let usual = String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        return Base64.decode(
            usual + String(repeating: "=", count: (4 - usual.utf8.count % 4) % 4))
    }
}

extension HTTPAnswer {
    /// An error as Massive writes it.
    static func refusal(_ status: Int, _ text: String, _ number: Int64) -> HTTPAnswer {
        json(status) { writer in
            writer.object { json in
                json.member("status", "ERROR")
                json.request(number)
                json.member("error", text)
            }
        }
    }

    static func notAuthorized(_ number: Int64) -> HTTPAnswer {
        json(403) { writer in
            writer.object { json in
                json.member("status", "NOT_AUTHORIZED")
                json.request(number)
                json.member(
                    "message", "You are not entitled to this data. Please upgrade your plan.")
            }
        }
    }
}

extension JSONWriter {
    /// Writes the id of a request.
    mutating func request(_ number: Int64) {
        let digits = String(UInt64(clamping: number), radix: 16)
        member("request_id", String(repeating: "0", count: 32 - digits.count) + digits)
    }
}
