import Foundation
import Primitives
import ServiceRuntime
import TestSupport
import Testing

extension IntegrationTests.LiveTests {
    /// People's actions in the cockpit, beside the real services with the rights of
    /// `deploy/nats/server.conf`.
    @Suite struct CockpitActionTests {
        private static let token = "alice-has-this-one"
        private static let key = String(repeating: "k", count: 32)

        private static func cockpit(_ pipeline: Pipeline) throws -> ServiceProcess {
            var keys = pipeline.environment(of: "cockpit")
            keys["COCKPIT_PORT"] = "0"
            keys["COCKPIT_ACTIONS"] = "true"
            keys["COCKPIT_ACTIONS_KEY"] = key
            keys["COCKPIT_PEOPLE"] = try pipeline.folder.write(
                "alice:\(WebDigest.sha256(token))\n", to: "people")
            return try ServiceProcess(
                "cockpit", environment: keys, folder: pipeline.folder, label: "cockpit")
        }

        private static func carrier(_ pipeline: Pipeline) throws -> ServiceProcess {
            let keys = ["COCKPIT_ACTIONS_KEY": key]
            return try ServiceProcess(
                "tapeline", ["actions", "serve"],
                environment: pipeline.environment(of: "actions").merging(keys) { $1 },
                folder: pipeline.folder, label: "actions")
        }

        /// A person's browser.
        private struct Browser {
            let port: UInt16
            var cookie = ""

            init(_ cockpit: ServiceProcess) throws { port = try cockpit.pages() }

            func ask(_ request: String, _ body: String = "") throws -> String {
                let connection = try PlainConnection(port: port)
                let head = "Host: localhost\r\nOrigin: http://localhost\r\n\(cookie)"
                let text =
                    "\(request) HTTP/1.1\r\n\(head)"
                    + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                try connection.send(Array(text.utf8))
                return String(decoding: try connection.receive { _ in false }, as: UTF8.self)
            }

            mutating func signIn() throws {
                let key = String(repeating: "ab", count: 24)
                let answer = try ask("POST /session", "token=\(token)&key=\(key)")
                let line = answer.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") }
                let pair = try #require(line).dropFirst(12).prefix { $0 != ";" }
                cookie = "Cookie: \(pair)\r\nX-Cockpit-Key: \(key)\r\n"
            }

            /// Returns the document of the page.
            func news() throws -> JSONValue {
                let parts = try ask("GET /actions.json").components(separatedBy: "\r\n\r\n")
                return try JSONValue.parse(Array(parts[1].utf8))
            }

            /// Sends an action, and returns its stage and the lines of its outcome.
            func act(_ words: [String], why: String = "a test") throws -> (String, String) {
                var json = JSONWriter()
                json.object { json in
                    json.array("words") { for word in words { $0.value(word) } }
                    json.member("reason", why)
                }
                let answer = try ask("POST /act", json.text)
                #expect(answer.hasPrefix("HTTP/1.1 202"), "\(answer)")
                let body = answer.components(separatedBy: "\r\n\r\n")[1]
                let number = try #require(JSONValue.parse(Array(body.utf8))["number"]?.string)
                var own: JSONValue?
                #expect(
                    try eventually {
                        own = try news()["sent"]?.array?.first { $0["number"]?.string == number }
                        return own.map { $0["stage"]?.string != "asked" } ?? false
                    }, "\(words)")
                let lines = own?["lines"]?.array?.compactMap(\.string) ?? []
                return (own?["stage"]?.string ?? "", lines.joined(separator: "\n"))
            }
        }

        @Test(
            "an action is recorded, carried out under the person's name, and a row"
        )
        func actions() throws {
            let pipeline = try Pipeline.live()
            let cockpit = try Self.cockpit(pipeline)
            var alice = try Browser(cockpit)
            #expect(try alice.ask("POST /act", "{}").hasPrefix("HTTP/1.1 401"))
            try alice.signIn()
            try pipeline.expectShared(.worker(0), among: 2)

            // Nobody carries it out yet, and it says so.
            let (nobody, why) = try alice.act(["member", "release", "worker-1"])
            #expect(nobody == "refused" && why.contains("tapeline actions serve"), "\(why)")

            try expectSilenceTold(alice, pipeline)

            let carrier = try Self.carrier(pipeline)
            #expect(
                try eventually {
                    let state = try alice.news()["carrier"]
                    return state?["absence"] == nil && (state?["at"]?.double ?? 0) > 0
                }, "\(carrier.output)")
            try expectDrain(alice, pipeline)
            try expectTheOthers(alice, carrier)
            try expectRows(alice, pipeline)
            try expectForgeryNoticed(alice, pipeline, cockpit)
            #expect(carrier.stop() == 0, "\(carrier.output)")
            carrier.expectCleanOutput(secrets: pipeline.secrets + [Self.key])
            #expect(cockpit.stop() == 0, "\(cockpit.output)")
            cockpit.expectCleanOutput(secrets: pipeline.secrets + [Self.token, Self.key])
            try pipeline.expectUnharmed()
        }

        /// Sends lines to NATS, and returns the connection when the server has taken them.
        @discardableResult
        private static func nats(
            _ user: String, _ lines: String, _ pipeline: Pipeline
        ) throws -> PlainConnection {
            let password = try #require(Pipeline.natsPasswords[user])
            let connection = try PlainConnection(port: pipeline.nats.port)
            let login = #"CONNECT {"user":"\#(user)","pass":"\#(password)","verbose":false}"#
            try connection.send(Array("\(login)\r\n\(lines)\r\nPING\r\n".utf8))
            _ = try connection.receive { String(decoding: $0, as: UTF8.self).contains("PONG") }
            return connection
        }

        /// A process that hears requests and does not take the cockpit's is not NATS that is away.
        private func expectSilenceTold(_ alice: Browser, _ pipeline: Pipeline) throws {
            let silent = try Self.nats("actions", "SUB md.act 1", pipeline)
            let (stage, why) = try alice.act(["member", "release", "worker-1"])
            #expect(stage == "refused" && why.contains("actions.not_taken"), "\(why)")
            withExtendedLifetime(silent) {}
        }

        private func expectDrain(_ alice: Browser, _ pipeline: Pipeline) throws {
            let member = try #require(pipeline.environment(.worker(1))["MDS_MEMBER"])
            let (may, reasons) = try alice.act(["may-i", "restart", member], why: "")
            #expect(["done", "refused"].contains(may) && reasons.contains(member), "\(reasons)")
            let (stage, text) = try alice.act(["member", "drain", member], why: "new disk")
            #expect(stage == "done" && text.contains("is drained in operator"), "\(text)")
            try pipeline.expectShared(.worker(0), among: 1)
            let (again, refusal) = try alice.act(["member", "drain", member])
            #expect(again == "refused" && refusal.contains("by alice at"), "\(refusal)")
            #expect(refusal.contains("new disk"))
            #expect(try alice.act(["member", "release", member]).0 == "done")
            try pipeline.expectShared(.worker(0), among: 2)
        }

        private func expectTheOthers(_ alice: Browser, _ carrier: ServiceProcess) throws {
            for (verb, outcome) in [("add", "AMD is added"), ("remove", "AMD is removed")] {
                let (stage, text) = try alice.act(["watchlist", verb, "AMD"])
                #expect(stage == "done" && text.contains(outcome), "\(text)")
            }
            let (repaired, outcome) = try alice.act([
                "repair", "AAPL", "--from", "-1m", "--to", "now",
            ])
            #expect(repaired == "done", "\(outcome)\n\(carrier.output)")
            let (tried, dry) = try alice.act(["dlq", "replay", "--all", "--dry-run"], why: "")
            #expect(tried == "done" && dry.contains("no dead letters"), "\(dry)")
            #expect(try alice.act(["dlq", "replay", "--all"]).0 == "done")
            for words in [
                ["down"], ["dlq", "drop", "--all"], ["member", "drain", "x", "--nats", "y"],
            ] {
                let (stage, refusal) = try alice.act(words)
                #expect(stage == "refused", "\(words): \(refusal)")
            }
        }

        /// What the cockpit has not made shows at the cockpit.
        private func expectForgeryNoticed(
            _ alice: Browser, _ pipeline: Pipeline, _ cockpit: ServiceProcess
        ) throws {
            let name = "mds_cockpit_actions_not_taken_total"
            #expect(try cockpit.metric(name) == 0)
            try Self.nats("cockpit", "PUB md.act _INBOX_cockpit.x 2\r\n{}", pipeline)
            #expect(
                try eventually {
                    let seen = try alice.news()["carrier"]?["not_taken"]?.int
                    return try seen == 1 && cockpit.metric(name) == 1
                })
        }

        /// Each action that was carried out has its two records as rows, and the page has them.
        private func expectRows(_ alice: Browser, _ pipeline: Pipeline) throws {
            let sql = """
                SELECT count(*), count(DISTINCT detail->>'action'),
                    count(*) FILTER (WHERE detail->>'stage' = 'asked'),
                    bool_and(detail->>'person' = 'alice' AND detail->>'origin' = '127.0.0.1')
                FROM md.events WHERE name = 'action'
                """
            var rows = ""
            // Drain twice, release, add, remove, repair, replay: seven, with two records each.
            #expect(
                try eventually {
                    rows = try pipeline.postgres.psql(sql, database: pipeline.database)
                    return rows.contains("14|7|7|t")
                }, "\(rows)")
            #expect(
                try eventually {
                    let items = try alice.news()["items"]?.array ?? []
                    let stages = items.compactMap { $0["stage"]?.string }.sorted()
                    return stages == Array(repeating: "done", count: 6) + ["refused"]
                })
        }
    }
}
