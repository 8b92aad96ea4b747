import Primitives
import Testing

@Suite
struct DigitsTests {
    private func text(_ write: (inout [UInt8]) -> Void) -> String {
        var bytes: [UInt8] = []
        write(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("numbers are written as their descriptions are")
    func numbers() {
        for number in [0, 1, 9, 10, 99, 100, -1, -10, Int64.max, Int64.min, Int64.min + 1] {
            #expect(text { $0.append(digitsOf: number) } == "\(number)")
            for decimals in [0, 1, 8, 9, 18] {
                #expect(
                    text { $0.append(decimal: number, decimals: decimals) }
                        == FixedPoint.text(number, decimals: decimals))
            }
        }
        #expect(text { $0.append(digitsOf: UInt64.max) } == "\(UInt64.max)")
        #expect(text { $0.append(digitsOf: 7, padded: 3) } == "007")
    }

    @Test("times are written as their descriptions are")
    func times() {
        for nanoseconds in [
            0, 1, -1, 1_700_000_000_123_456_789, -86_400_000_000_000, Int64.min, Int64.max - 1,
        ] {
            let time = Timestamp(nanoseconds: nanoseconds)
            #expect(text { $0.append(time: time) } == time.description)
        }
    }

    @Test("decimals and times of JSON are texts, with nanoseconds beside a time")
    func json() {
        var json = JSONWriter()
        json.object { json in
            json.member("a", decimal: Int64(-150), decimals: 2)
            json.member("b", decimal: Int128.max, decimals: 17)
            json.member("t", time: Timestamp(nanoseconds: 1))
            json.member("z", 1)
        }
        #expect(
            json.text == """
                {"a":"-1.5","b":"1701411834604692317316.87303715884105727",\
                "t":"1970-01-01T00:00:00.000000001Z","t_ns":1,"z":1}
                """)
    }
}
