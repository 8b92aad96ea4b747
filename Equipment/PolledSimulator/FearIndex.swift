internal import Primitives
internal import VenueWeb

/// Alternative.me's index of fear and greed: one value a day, known from 00:00 UTC on.
struct FearIndex: Sendable {
    private let events: SeededEvents
    static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// 2018-02-01.
    static let firstDay: Int64 = 17_563

    init(seed: UInt64) {
        events = SeededEvents(seed: seed ^ 0x61, lanes: 1, interval: nil)
    }

    static func day(_ time: Timestamp) -> Int64 { time.nanoseconds / dayNanoseconds }

    func value(_ day: Int64) -> Int64 {
        let number = UInt64(clamping: day)
        // The level moves by a tenth of its middle, which is too little for fear.
        let swing = (events.level(0, number * 16, around: 5_000) - 5_000) * 4
        let noise = Int64(events.mixed(0, number, salt: 32) % 9) - 4
        return min(100, max(0, 50 + swing / 10 + noise))
    }

    /// The words of the service.
    static func classification(_ value: Int64) -> String {
        let bands: [(last: Int64, text: String)] = [
            (24, "Extreme Fear"), (44, "Fear"), (54, "Neutral"), (74, "Greed"),
        ]
        return bands.first { value <= $0.last }?.text ?? "Extreme Greed"
    }

    func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer {
        guard request.path == "/fng/" || request.path == "/fng" else {
            return HTTPAnswer(status: 404)
        }
        guard let limit = Int64(request.query["limit"] ?? "1"), limit >= 0 else {
            return .json(400) { document(&$0, days: [], now, error: "invalid limit") }
        }
        let today = Self.day(now)
        guard today >= Self.firstDay else {
            return .json { document(&$0, days: [], now, error: nil) }
        }
        let count = limit == 0 ? today - Self.firstDay + 1 : min(limit, today - Self.firstDay + 1)
        let days = Array((today - count + 1...today).reversed())
        var answer = HTTPAnswer.json { document(&$0, days: days, now, error: nil) }
        answer.log { json in
            json.member("series", "fng")
            PolledSite.write(days.map { ["\($0 * 86_400)", "\(value($0))"] }, into: &json)
        }
        return answer
    }

    private func document(
        _ writer: inout JSONWriter, days: [Int64], _ now: Timestamp, error: String?
    ) {
        writer.object { json in
            json.member("name", "Fear and Greed Index")
            json.array("data") { list in
                for (place, day) in days.enumerated() {
                    list.object { write(day, isNewest: place == 0, now, &$0) }
                }
            }
            json.object("metadata") { json in
                json.key("error")
                if let error { json.value(error) } else { json.null() }
            }
        }
    }

    private func write(
        _ day: Int64, isNewest: Bool, _ now: Timestamp, _ json: inout JSONWriter
    ) {
        let value = value(day)
        json.member("value", "\(value)")
        json.member("value_classification", Self.classification(value))
        json.member("timestamp", "\(day * 86_400)")
        guard isNewest else { return }
        let passed = now.nanoseconds % Self.dayNanoseconds / 1_000_000_000
        json.member("time_until_update", "\(86_400 - passed)")
    }
}
