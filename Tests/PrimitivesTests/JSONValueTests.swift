import Primitives
import Testing

@Suite struct JSONValueTests {
    private func value(_ text: String) throws -> JSONValue { try JSONValue.parse(text) }

    @Test("members are found by key and by path; of a doubled key the first")
    func lookup() throws {
        let document = try value(#"{"a":{"b":{"c":7}},"d":1,"d":2,"e":[1]}"#)
        #expect(document["d"]?.int == 1)
        #expect(document.at("a", "b", "c")?.int == 7)
        #expect(document.at() == document)
        #expect(document["x"] == nil)
        #expect(document.at("a", "x", "c") == nil)
        #expect(document.at("d", "b") == nil)
        #expect(document["e"]?["a"] == nil)
        #expect(document.members?.map(\.key) == ["a", "d", "d", "e"])
        #expect(document["e"]?.array == [.number("1")])
    }

    @Test("an accessor of another type answers nothing")
    func types() throws {
        let text = try value(#""1""#)
        #expect(text.string == "1")
        #expect(text.int == nil && text.uint64 == nil && text.double == nil && text.bool == nil)
        #expect(text.array == nil && text.members == nil)
        #expect(try value("true").bool == true)
        #expect(try value("true").string == nil)
        #expect(try value("null") == .null)
    }

    @Test("integers are exact up to their range and nothing beyond")
    func integers() throws {
        #expect(try value("9223372036854775807").int == Int.max)
        #expect(try value("9223372036854775808").int == nil)
        #expect(try value("-9223372036854775808").int == Int.min)
        #expect(try value("18446744073709551615").uint64 == UInt64.max)
        #expect(try value("18446744073709551616").uint64 == nil)
        #expect(try value("-1").uint64 == nil)
        #expect(try value("1.0").int == nil)
        #expect(try value("1e2").int == nil)
    }

    @Test("a number that no Double holds is none: an infinity would trap whoever converts it")
    func doubles() throws {
        #expect(try value("-2.5e-3").double == -0.0025)
        #expect(try value("18446744073709551616").double == 18_446_744_073_709_551_616)
        #expect(try value("1e-400").double == 0)
        #expect(try value("1e400").double == nil)
        #expect(try value("-1e400").double == nil)
    }
}
