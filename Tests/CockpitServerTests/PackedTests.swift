import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit

@Suite("What is sent packed") struct PackedTests {
    @Test("a foreign client gets the same, with fewer bytes, and each event as soon as it is sent")
    func foreign() throws {
        let cockpit = try LoneCockpit()
        let script = "\(ServerPrograms.checkout)/Tests/CockpitServerTests/gzip_client.py"
        let answer = try JSONValue.parse(
            Array(try run("/usr/bin/env", ["python3", script, "\(cockpit.port)"]).utf8))
        let plain = try #require(answer["plain"])
        let gzip = try #require(answer["gzip"])
        #expect(plain["packed"]?.string == nil)
        #expect(gzip["packed"]?.string == "gzip")
        #expect(gzip["vary"]?.string == "Accept-Encoding")
        #expect(gzip["text"]?.string == plain["text"]?.string)
        #expect(plain["text"]?.string?.contains("export function start") == true)
        // A weak tag belongs to both.
        #expect(gzip["tag"]?.string == plain["tag"]?.string)
        #expect(gzip["tag"]?.string?.hasPrefix("W/\"") == true)
        let counts = try (#require(gzip["bytes"]?.double), #require(plain["bytes"]?.double))
        #expect(counts.0 < counts.1 / 2)
        #expect(answer["refused"]?["packed"]?.string == nil)
        #expect(answer["small"]?["packed"]?.string == nil)
        let events = try #require(answer["events"])
        #expect(events["packed"]?.string == "gzip")
        #expect(answer["plain events"]?["packed"]?.string == nil)
        let texts = try #require(events["texts"]?.array).compactMap(\.string)
        #expect(texts.count == 4)
        #expect(texts.first == "retry: 1000")
        for text in texts.dropFirst() {
            let data = try #require(text.split(separator: "\n").first { $0.hasPrefix("data: ") })
            let look = try JSONValue.parse(Array(data.dropFirst("data: ".count).utf8))
            #expect(look["verdict"]?.array?.isEmpty == false)
        }
    }
}
