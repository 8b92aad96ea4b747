import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests.LiveTests {
    /// The cockpit beside the real services: what its events and documents say of them.
    @Suite struct CockpitLookTests {
        private func cockpit(_ pipeline: Pipeline) throws -> ServiceProcess {
            var keys = pipeline.environment(of: "cockpit")
            keys["COCKPIT_PORT"] = "0"
            keys["VALKEY_PORT"] = pipeline.environment(.writer)["VALKEY_PORT"]
            keys["VALKEY_USER"] = "reader"
            keys["VALKEY_PASSWORD"] = Pipeline.valkeyReaderPassword
            keys["COCKPIT_SERVICES"] = try Pipeline.Role.usual
                .map { "127.0.0.1:\(try pipeline.service($0).port())" }.joined(separator: ",")
            return try ServiceProcess(
                "cockpit", environment: keys, folder: pipeline.folder, label: "cockpit")
        }

        /// Returns the second event of a new stream, which is half a second younger than the first.
        /// A stream counts as a watcher until the server notices its end, and there are not many.
        private func look(_ port: UInt16) throws -> JSONValue {
            let connection = try PlainConnection(port: port)
            try connection.send(Array("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            var last: Substring?
            let answer = try connection.receive { bytes in
                let events = String(decoding: bytes, as: UTF8.self)
                    .matches(of: /data: (\{.*\})\n\n/)
                last = events.count < 2 ? nil : events.last?.1
                return last != nil
            }
            let text = try #require(last, "\(String(decoding: answer, as: UTF8.self))")
            return try JSONValue.parse(String(text))
        }

        private func document(_ path: String, _ port: UInt16) throws -> JSONValue? {
            let connection = try PlainConnection(port: port)
            try connection.send(Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            var found: JSONValue?
            _ = try connection.receive { bytes in
                let parts = String(decoding: bytes, as: UTF8.self)
                    .split(separator: "\r\n\r\n", maxSplits: 1)
                found = parts.count < 2 ? nil : try? JSONValue.parse(String(parts[1]))
                return found != nil
            }
            return found
        }

        private func verdict(_ look: JSONValue) -> String {
            look["verdict"]?.array?.compactMap { $0["text"]?.string }.joined(separator: "; ") ?? ""
        }

        private func services(_ look: JSONValue) -> [JSONValue] {
            look.at("services", "items")?.array ?? []
        }

        @Test("all that works is seen, each partition has its owner, and a killed writer is dead")
        func look() throws {
            let pipeline = try Pipeline.live()
            let cockpit = try cockpit(pipeline)
            let port = try cockpit.pages()
            var said = ""
            #expect(
                try eventually {
                    let look = try look(port)
                    said = verdict(look)
                    return said.hasPrefix("ALL GOOD")
                        && look["members"]?.array?.count { $0["group"]?.string == "operator" } == 2
                        && look.at("streams", "items")?.array?.isEmpty == false
                        && services(look).count { $0["ready"]?.bool == true } == 4
                }, "\(said)")
            try expectOwners(pipeline, port)
            try expectWriter(port)
            try expectChart(port)
            try expectLettersAndPackets(port)
            try expectLatest(port)

            try pipeline.service(.writer).kill()
            #expect(
                try eventually {
                    let look = try look(port)
                    said = verdict(look)
                    let dead = look["edges"]?.array?.contains { $0["state"]?.string == "dead" }
                    return !said.hasPrefix("ALL GOOD") && dead == true
                }, "\(said)")
            // A service that has hardly begun ends by the signal and not by its own code.
            try pipeline.start(.writer)
            #expect(try pipeline.service(.writer).becomesReady())
            #expect(cockpit.stop() == 0, "\(cockpit.output)")
            try pipeline.expectUnharmed()
        }

        private func expectOwners(_ pipeline: Pipeline, _ port: UInt16) throws {
            let owners = try pipeline.owners()
            var shown: [String: String] = [:]
            #expect(
                try eventually {
                    guard let groups = try document("/partitions.json", port)?["groups"]?.array
                    else { return false }
                    shown = [:]
                    for group in groups {
                        for row in group["rows"]?.array ?? [] {
                            let key =
                                "\(group["name"]?.string ?? "").\(row["partition"]?.int ?? -1)"
                            shown[key] = row["owners"]?.array?.first?.string
                        }
                    }
                    return owners.allSatisfy { $0.value.member == shown[$0.key] }
                }, "\(owners.mapValues(\.member)) and \(shown)")
            #expect(!owners.isEmpty)
        }

        /// The first bars of what the database offers, and what it knows of one of them.
        private func expectChart(_ port: UInt16) throws {
            func value(
                _ path: String, where isWhole: (JSONValue) -> Bool
            ) throws -> JSONValue? {
                var found: JSONValue?
                #expect(
                    try eventually {
                        let answer = try document(path, port)
                        found = answer?["value"]
                        return found.map(isWhole) == true && answer?["absence"] == nil
                    }, "\(path): \(String(describing: found))")
                return found
            }
            let choices = try #require(
                try value("/chart-choices.json") { $0["offers"]?.array?.isEmpty == false })
            let symbol = try #require(choices["symbols"]?.array?.first?.string)
            let offer = try #require(choices["offers"]?.array?.first)
            let key =
                "symbol=\(symbol)&series=\(offer["series"]?.string ?? "")"
                + "&source=\(offer["source"]?.string ?? "")"
            let page = try #require(
                try value("/chart.json?\(key)") { $0["bars"]?.array?.isEmpty == false })
            let bar = try #require(page["bars"]?.array?.first)
            let place = "open=\(bar["open_ns"]?.string ?? "")&number=\(bar["number"]?.string ?? "")"
            let known = try value("/chart-bar.json?\(key)&\(place)") { $0["versions"] != nil }
            let standing = known?["versions"]?.array?.last
            for name in ["open", "high", "low", "close", "volume"] {
                #expect(standing?[name]?.string == bar[name]?.string && bar[name] != nil, "\(name)")
            }
            #expect(known?["explain"]?.string?.contains(" \(symbol) ") == true)
        }

        /// With the rights that are shipped: no letter is there, and packets are.
        private func expectLettersAndPackets(_ port: UInt16) throws {
            var found: JSONValue?
            #expect(
                try eventually {
                    found = try document("/dead.json", port)
                    return found?.at("letters", "count")?.int == 0
                        && found?.at("replays", "at") != nil
                }, "\(String(describing: found))")
            for input in ["ticks", "bars"] {
                #expect(
                    try eventually {
                        found = try document("/tape.json?input=\(input)&symbol=AAPL", port)
                        let packet = found?.at("value", "packets")?.array?.first
                        return packet?["header"]?.array?.isEmpty == false
                    }, "\(input): \(String(describing: found))")
            }
        }

        /// Valkey, tape and database each say what they know of it.
        private func expectLatest(_ port: UInt16) throws {
            var found: JSONValue?
            #expect(
                try eventually {
                    found = try document("/latest.json?symbols=AAPL", port)?["value"]
                    let trade = found?["items"]?.array?.first
                    return found?["problems"]?.array?.isEmpty == true
                        && trade?["feed"]?.string == "live" && trade?["ordinal"]?.int != nil
                        && trade?["behind"]?.int != nil && trade?["gaps"]?.int != nil
                }, "\(String(describing: found))")
        }

        private func expectWriter(_ port: UInt16) throws {
            var found: JSONValue?
            #expect(
                try eventually {
                    found = try document("/store.json", port)?["writers"]?.array?.first
                    return (found?["rows"]?.double ?? 0) > 0 && found?["ready"]?.bool == true
                }, "\(String(describing: found))")
        }
    }
}
