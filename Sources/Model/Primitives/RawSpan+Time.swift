extension RawSpan {
    /// Returns the time that the bytes are: `2026-02-22T15:51:44.208Z`, in UTC, with up to nine
    /// decimals; `nil`: they are no such time. It does not allocate, for hot paths;
    /// `ISOTime.parse` reads more forms.
    public var utcTime: Timestamp? {
        guard byteCount >= 20, byteCount <= 30, uint8(at: 4) == UInt8(ascii: "-"),
            uint8(at: 7) == UInt8(ascii: "-"), uint8(at: 10) == UInt8(ascii: "T"),
            uint8(at: 13) == UInt8(ascii: ":"), uint8(at: 16) == UInt8(ascii: ":"),
            uint8(at: byteCount - 1) == UInt8(ascii: "Z"),
            let year = digits(0..<4), let month = digits(5..<7), let day = digits(8..<10),
            let hour = digits(11..<13), let minute = digits(14..<16), let second = digits(17..<19),
            hour < 24, minute < 60, second < 60,
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        var fraction: Int64 = 0
        if byteCount > 20 {
            guard uint8(at: 19) == UInt8(ascii: "."), byteCount > 21,
                let given = digits(20..<byteCount - 1)
            else { return nil }
            fraction = given
            for _ in byteCount - 1..<29 { fraction *= 10 }
        }
        let seconds = date.daysSinceEpoch * 86_400 + hour * 3_600 + minute * 60 + second
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = whole.addingReportingOverflow(fraction)
        return overflow || carry || sum == Int64.max ? nil : Timestamp(nanoseconds: sum)
    }

    /// Returns the number that these bytes are, at most nine; `nil`: not all are digits.
    private func digits(_ places: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for place in places {
            let digit = uint8(at: place) &- 0x30
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }
}
