import Membership
import Primitives
import ServiceRuntime
import StoreSinks
import TapeTransport
import TestSupport
import Testing

@testable import DeploymentWatch
@testable import TapelineTool

private protocol Facts { var findings: [Finding] { get } }
extension MachineFacts: Facts {}
extension NatsFacts: Facts {}
extension DatabaseFacts: Facts {}
extension ServiceFacts: Facts {}
extension ValkeyFacts: Facts {}

@Suite("What the doctor makes of what it saw") struct DoctorFactsTests {
    typealias Level = Finding.Level

    /// The levels other than "ok", with a part of the text: "wrong fsync".
    private func bad(_ findings: [Finding]) -> [String] {
        findings.filter { $0.level != .fine }.map { "\($0.level.rawValue): \($0.text)" }
    }

    /// Exactly one finding is not fine; it is of this level, speaks of this, and says what to do.
    private func expectOne(
        _ findings: [Finding], _ level: Level, _ text: String, _ runbook: String? = nil,
        _ place: SourceLocation = #_sourceLocation
    ) {
        let other = findings.filter { $0.level != .fine }
        #expect(other.count == 1, "\(bad(findings))", sourceLocation: place)
        guard let finding = other.first else { return }
        #expect(finding.level == level, "\(finding)", sourceLocation: place)
        #expect(finding.text.contains(text), "\(finding)", sourceLocation: place)
        #expect(!finding.advice.isEmpty, "\(finding)", sourceLocation: place)
        #expect(finding.runbook == runbook, "\(finding)", sourceLocation: place)
        if let runbook, runbook.count > 1 {
            let page = "\(ServerPrograms.checkout)/docs/runbooks/\(runbook).md"
            #expect(FileSystem.exists(page), "\(page)", sourceLocation: place)
        }
    }

    /// The same of facts after a change.
    private func expect<Changed: Facts>(
        _ facts: Changed, _ level: Level, _ text: String, _ runbook: String? = nil,
        _ place: SourceLocation = #_sourceLocation, _ change: (inout Changed) -> Void
    ) {
        var facts = facts
        change(&facts)
        expectOne(facts.findings, level, text, runbook, place)
    }

    private static var machine: MachineFacts {
        var facts = MachineFacts()
        facts.openFiles = [.init(process: "tapeline", maximum: 4_096)]
        (facts.memoryBytes, facts.memoryFreeBytes) = (8 << 30, 4 << 30)
        facts.disks = [.init(path: "/data", freeBytes: 50 << 30, totalBytes: 100 << 30)]
        facts.libraries = ["libnats.so.3.10", "libpq.so.5.15"]
        facts.clock = KernelClock(errorMicroseconds: 11_500)
        return facts
    }

    @Test("the machine") func machine() {
        #expect(bad(Self.machine.findings).isEmpty)
        expect(Self.machine, .warning, "store-writer 256") {
            $0.openFiles.append(.init(process: "store-writer", maximum: 256))
        }
        expect(Self.machine, .warning, "100 MiB of 8.0 GiB") { $0.memoryFreeBytes = 100 << 20 }
        for (free, level) in [(14, Level.warning), (4, .wrong), (0, .wrong)] {
            expect(Self.machine, level, "\(free) % of the disk of /data", "Disk") {
                $0.disks = [
                    .init(
                        path: "/data", freeBytes: UInt64(free) << 30, totalBytes: 100 << 30,
                        bytesPerSecond: 1_024)
                ]
            }
        }
        for (error, text) in [
            (16_000_000, "no time service keeps the clock"), (1_000_001, "may be wrong by 1001 ms"),
        ] as [(Int64, String)] {
            expect(Self.machine, .warning, text) {
                $0.clock = KernelClock(errorMicroseconds: error)
            }
        }
        #expect(Self.machine.findings.contains { $0.text.hasSuffix("machine, within 12 ms") })
        #expect(MachineFacts().findings.map(\.level) == [.unseen, .unseen, .unseen, .unseen])
    }

    @Test("what the kernel writes") func kernel() {
        let limits = """
            Limit                     Soft Limit           Hard Limit           Units
            Max processes             unlimited            unlimited            processes
            Max open files            1024                 524288               files
            """
        #expect(MachineLook.openFiles(limits) == 1_024)
        #expect(MachineLook.openFiles("Max open files  unlimited unlimited files") == .max)
        for damaged in ["", "Max open files", "Max open files x y files"] {
            #expect(MachineLook.openFiles(damaged) == nil)
        }
        let memory = MachineLook.memory("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 10 kB\n")
        #expect(memory == (1_024_000, 10_240))
        #expect(MachineLook.memory("MemTotal: 99999999999999999999 kB\nMem") == (0, 0))
        #expect(
            MachineLook.libraries("1-2 r /usr/lib/libpq.so.5.15\n3 r /lib/libc.so.6\n4 r\n")
                == ["libpq.so.5.15"])
        let facts = MachineLook.facts(processes: [], folders: ["/", "/not/there"])
        #expect(facts.clock?.errorMicroseconds ?? 0 >= 0)
        #expect(facts.disks.count == 1 && facts.memoryBytes > 0 && facts.openFiles.count == 1)
        #expect(facts.libraries.contains { $0.hasPrefix("libnats.so") }, "\(facts.libraries)")
    }

    private static var nats: NatsFacts {
        var facts = NatsFacts()
        facts.peer = "127.0.0.1:4222"
        facts.version = "2.12.8"
        facts.durability = .onDisk
        facts.monitor = .init(
            hasJetStream: true, storedBytes: 1, storeBytesMax: 100, connections: 1,
            connectionsMax: 100)
        facts.streams = [
            .init(name: "MD_TICKS_0", bytes: 10, bytesMax: 1_000, bytesPerSecond: 1),
            .init(name: "KV_md_owners"),
        ]
        return facts
    }

    @Test("NATS and its streams") func nats() {
        #expect(bad(Self.nats.findings).isEmpty)
        func expect(
            _ level: Level, _ text: String, _ runbook: String? = nil,
            _ place: SourceLocation = #_sourceLocation, _ change: (inout NatsFacts) -> Void
        ) {
            self.expect(Self.nats, level, text, runbook, place, change)
        }
        expect(.wrong, "2.10.20") { $0.version = "2.10.20" }
        expect(.warning, "2.11.3") { $0.version = "2.11.3" }
        expect(.wrong, "2 copies") {
            $0.version = "2.11.3"
            $0.streams[0].copies = 2
        }
        expect(.wrong, "does not tell its version") { $0.version = "" }
        expect(.unseen, "did not say its version") { $0.version = nil }
        expect(.wrong, "within 2 s", "TapeDurability") {
            $0.durability = .onDiskWithin(nanoseconds: 2_000_000_000)
        }
        expect(.warning, "within 2 s", "TapeDurability") {
            $0.durability = .onDiskWithin(nanoseconds: 2_000_000_000)
            $0.streams[0].copies = 3
        }
        expect(.unseen, "set NATS_MONITOR_URL") { $0.durability = .unknown("set NATS_MONITOR_URL") }
        expect(.wrong, "JetStream is off") { $0.monitor?.hasJetStream = false }
        expect(.wrong, "7 % of its limit", "TapeRoom") { $0.monitor?.storedBytes = 93 }
        expect(.warning, "81 of 100 connections") { $0.monitor?.connections = 81 }
        expect(.warning, "disconnected 3 clients", "Nats") { $0.monitor?.slowConsumers = 3 }
        expect(.wrong, "missing: KV_md_owners") { $0.streams[1].exists = false }
        expect(.wrong, "MD_TICKS_0 is not as the services want it: discard is old, not new") {
            $0.streams[0].differences = ["discard is old, not new"]
        }
        let room =
            "MD_TICKS_0 has 9 % free, 91 B, full in about 1 min 31 s at the average rate so far, "
            + "after which gateways keep ticks in their spools"
        expect(.warning, room, "TapeRoom") { $0.streams[0].bytes = 909 }
        // With room enough the keeper purges it, and it does not get full.
        #expect(
            Self.nats.findings.contains {
                $0.text == "the fullest: MD_TICKS_0 has 99 % free, 990 B: what all groups have "
                    + "read is purged"
            }, "\(Self.nats.findings.map(\.text))")
    }

    private static var database: DatabaseFacts {
        var facts = DatabaseFacts()
        facts.peer = "127.0.0.1:5432"
        (facts.version, facts.versionNumber, facts.bytes) = ("17.2", 170_002, 1 << 30)
        facts.freeBytes = 9 << 30
        facts.applied = [.init(version: 1, checksum: "a"), .init(version: 2, checksum: "b")]
        facts.known = facts.applied
        facts.profile = profile()
        return facts
    }

    private static func profile(fsync: String = "on") -> DatabaseProfile {
        DatabaseProfile(
            mode: "plain", serverVersion: "17.2", timescaleVersion: nil, license: nil,
            isStandby: false, fsync: fsync, fullPageWrites: "on", synchronousCommit: "on")
    }

    @Test("the database") func database() {
        #expect(bad(Self.database.findings).isEmpty)
        func expect(
            _ level: Level, _ text: String, _ runbook: String? = nil,
            _ place: SourceLocation = #_sourceLocation, _ change: (inout DatabaseFacts) -> Void
        ) {
            self.expect(Self.database, level, text, runbook, place, change)
        }
        expect(.wrong, "PostgreSQL 17.2") { $0.versionNumber = 140_001 }
        expect(.wrong, "1 of 2 migrations") { $0.applied = [.init(version: 1, checksum: "a")] }
        expect(.warning, "has 3 migrations, this release knows 2") {
            $0.applied?.append(.init(version: 3, checksum: "c"))
        }
        expect(.wrong, "migrations 2 are not those") {
            $0.applied = [.init(version: 1, checksum: "a"), .init(version: 2, checksum: "x")]
        }
        expect(.wrong, "of an earlier revision") {
            $0.applied = (1...3).map { .init(version: $0, checksum: "x") }
        }
        expect(.unseen, "2 migrations are applied") { $0.known = nil }
        expect(.unseen, "cannot read which migrations") { $0.applied = nil }
        expect(.wrong, "no tables of ours") {
            $0.applied = []
            $0.profile = nil
        }
        expect(.wrong, "fsync is off", "DatabaseNotDurable") {
            $0.profile = Self.profile(fsync: "off")
        }
        expect(.unseen, "cannot read whether a COMMIT") { $0.profile = nil }
        expect(.wrong, "cannot read md_market.candles") {
            $0.rights.unreadable = ["md_market.candles"]
        }
        expect(.warning, "may remove rows") { $0.rights.mayDelete = true }
        expect(.warning, "and anything else") { $0.rights.isSuperuser = true }
        expect(.skipped, "how much it may have is not known") { $0.freeBytes = nil }
        expect(.warning, "8 % of its room are free", "Disk") {
            $0.freeBytes = 100 << 20
        }
        let full = "at the average rate so far, after which writers wait and the tape keeps all"
        expect(.wrong, full, "Disk") {
            ($0.freeBytes, $0.bytesPerSecond) = (1 << 20, 1_024)
        }
        expect(.warning, "90 of 100 sessions") {
            ($0.upkeep.sessions, $0.upkeep.sessionsMax) = (90, 100)
        }
        expect(.warning, "autovacuum is off") { $0.upkeep.autovacuum = false }
        expect(.wrong, "1000000001 transactions") { $0.upkeep.transactionAge = 1_000_000_001 }
        expect(.warning, "old_standby") { $0.upkeep.idleSlots = ["old_standby"] }
    }

    @Test("clocks of senders: of the last packets, those of the last hour count, each by itself")
    func senders() {
        func findings(_ packets: [(sent: Int64, taken: Int64)]) -> [String] {
            var facts = Self.nats
            facts.lastBars = packets.map {
                NatsFacts.Packet(
                    sent: Timestamp(nanoseconds: $0.sent * 100_000_000),
                    taken: Timestamp(nanoseconds: $0.taken * 100_000_000))
            }
            return bad(facts.findings)
        }
        let now: Int64 = 17_000_000_000
        #expect(findings([(now, now + 9), (now, now - 10)]).isEmpty)
        #expect(
            findings([(now, now + 11), (now, now - 32)]).first?
                .contains("the tape took the last bars of a partition 3.2 s before the operator ")
                == true)
        #expect(findings([(now, now + 11)]).first?.contains("1.1 s after the operator") == true)
        // A clock that was an hour ahead, and was set right before the last packet of any partition
        // but the first one.
        #expect(findings([(now - 100, now - 36_001), (now, now)]).isEmpty)
        #expect(findings([(now - 100, now - 36_000), (now, now)]).count == 1)
        var facts = Self.nats
        facts.lastTicks = [.init(sent: .undefined, taken: Timestamp(nanoseconds: now))]
        #expect(bad(facts.findings).isEmpty)
        facts.lastTicks = [.init(sent: .init(nanoseconds: 0), taken: .init(nanoseconds: now))]
        expectOne(
            facts.findings, .warning, "the last ticks of a partition 17.0 s after the gateway",
            "ClocksDisagree", #_sourceLocation)
    }

    @Test("clocks: what the length of a call explains is no difference")
    func clocks() {
        func finding(_ milliseconds: Int64, call: Int64 = 2) -> Finding {
            let asked = Timestamp(nanoseconds: 1_000_000_000_000)
            return ClockOffset(
                asked: asked, answered: asked.advanced(byNanoseconds: call * 1_000_000),
                theirs: asked.advanced(byNanoseconds: milliseconds * 1_000_000)
            ).finding(.nats, of: "NATS")
        }
        #expect(finding(1).level == .fine && finding(-400).level == .fine)
        #expect(finding(3_000, call: 6_000).level == .fine)
        #expect(finding(-700).level == .warning)
        #expect(finding(-700).text == "the clock of NATS is 0.7 s behind this machine's")
        #expect(finding(30_000).level == .wrong)
        #expect(finding(3_600_000).text == "the clock of NATS is 1 h ahead of this machine's")
    }

    @Test("services, Valkey and alerts") func others() throws {
        var facts = ServiceFacts()
        facts.members = ["operator", "store", "source-ib"].map {
            .init(group: $0, name: "\($0)-1", state: "ready", release: "0.1.0 (a)")
        }
        facts.processes = [.init(name: "store-writer")]
        #expect(bad(facts.findings).isEmpty)
        expect(facts, .wrong, "store-writer: not ready: no database", "Services") {
            $0.processes[0].problem = "not ready: no database"
        }
        expect(facts, .warning, "ready, but: the hot state is off") {
            $0.processes[0].degraded = ["the hot state is off"]
        }
        expect(facts, .wrong, "the group operator", "Services") { $0.members.removeFirst() }
        expect(facts, .wrong, "the group store-b", "Services") {
            $0.needed.append(GroupName("store-b") ?? .keepers)
        }
        for (state, release, level, text, page) in [
            ("aside", "a", .wrong, "w2 of store is aside", "Members"),
            ("drained", "a", .warning, "w2 of store is drained", "Members"),
            ("ready", "b", .warning, "several releases: 0.1.0 (a), 0.1.0 (b)", nil),
        ] as [(String, String, Level, String, String?)] {
            expect(facts, level, text, page) {
                $0.members.append(
                    .init(group: "store", name: "w2", state: state, release: "0.1.0 (\(release))"))
                let asked = $0.findings.first { $0.text.contains("drained") }
                let isNamed = asked?.advice.contains("tapeline member release w2") == true
                #expect(isNamed == (state == "drained"))
            }
        }
        let page = "Owners"
        expect(facts, .wrong, "no live owner of partitions 1,2,7 of store", page) {
            // Nobody waits for the other one.
            $0.silent = [
                .init(group: "store", partitions: [1, 2, 7]),
                .init(group: "store-b", partitions: [3]),
            ]
        }

        let valkey = ValkeyFacts(peer: "h:1", user: "reader", version: "8.1.1")
        #expect(bad(valkey.findings).isEmpty)
        expect(valkey, .warning, "without a password") { $0.isOpen = true }
        expect(valkey, .wrong, "cannot read the hot state: NOPERM") { $0.readingRefused = "NOPERM" }
        func version(_ words: String...) -> String? { ValkeyLook.version(words) }
        #expect(version("server", "valkey", "version", "9.1.2", "proto", "2") == "9.1.2")
        #expect(version("version", "server", "x") == "server")
        #expect(version("server", "version") == nil && version("version") == nil)
        #expect(version() == nil)
    }

    @Test("a local stack: a dead supervisor, dead processes, failed jobs") func stack() {
        #expect(StackFacts().findings.isEmpty)
        var facts = StackFacts()
        facts.isSupervised = false
        expectOne(facts.findings, .wrong, "the supervisor of the stack is dead")
        facts = StackFacts()
        facts.dead = [.init(name: "store-writer", state: "gave up", detail: "it ended 5 times")]
        expectOne(
            facts.findings, .wrong, "store-writer does not run (gave up: it ended 5 times)",
            "Services")
        typealias Case = (UnitPlan.Kind, String, SupervisionMachine.Phase, Bool, Bool)
        for (kind, state, phase, isAlive, isDead) in [
            (.service, "works", .running, true, false), (.service, "works", .running, false, true),
            (.service, "restarting", .running, false, true),
            (.service, "waiting", .starting, false, false),
            (.server, "gave up", .starting, false, true), (.job, "done", .running, false, false),
            (.job, "waiting", .starting, false, false), (.job, "gave up", .running, false, true),
        ] as [Case] {
            let unit = StackState.Unit(name: "u", kind: kind, stage: 0, state: state)
            let found = StackFacts.isDead(unit, in: phase, isAlive: isAlive)
            #expect(found == isDead, "\(kind) \(state) \(phase)")
        }
    }

    @Test("Prometheus: what it lacks, cannot evaluate, and what fires") func alerts() throws {
        func rules(_ rules: String) throws -> JSONValue {
            try JSONValue.parse(#"{"status":"success","data":{"groups":[{"rules":[\#(rules)]}]}}"#)
        }
        func rule(_ name: String, _ state: String = "inactive", health: String = "ok") -> String {
            #"{"type":"alerting","name":"\#(name)","state":"\#(state)","health":"\#(health)","#
                + #""lastError":"no such metric","annotations":{"runbook_url":"x/F.md"}}"#
        }
        func findings(
            _ text: String, _ wanted: [String: Int] = ["A": 1, "Watchdog": 1]
        ) throws -> [Finding] {
            try #require(AlertFacts(rules(text), peer: "p:1", wanted: wanted)).findings
        }
        let good = "\(rule("A")),\(rule("Watchdog", "firing"))"
        #expect(bad(try findings(good)).isEmpty)
        expectOne(try findings(rule("A")), .wrong, "does not have Watchdog")
        // A rule that is missing is seen, whatever others of its name are there.
        expectOne(
            try findings(good, ["A": 3, "Watchdog": 1]), .wrong, "have 2 of the 3 rules of A")
        #expect(bad(try findings(good, ["A": 0])).isEmpty)
        expectOne(try findings("", [:]), .wrong, "does not have any alert")
        // Without a checkout nobody knows which alerts there should be.
        expectOne(try findings(good, [:]), .unseen, "Prometheus evaluates 2 alerts; which")
        expectOne(
            try findings("\(rule("A", "firing")),\(rule("Watchdog"))"), .warning, "alert A fires",
            "F")
        // Two rules have one name.
        expectOne(
            try findings("\(rule("A", "firing")),\(rule("A", "firing")),\(rule("Watchdog"))"),
            .warning, "alert A fires", "F")
        expectOne(
            try findings("\(rule("A", health: "err")),\(rule("Watchdog"))"), .wrong,
            "A: no such metric")
        #expect(AlertFacts(try JSONValue.parse("{}"), peer: "", wanted: [:]) == nil)
        let shipped = try AlertFacts.shipped(in: "\(ServerPrograms.checkout)/deploy/prometheus")
        #expect(shipped["Watchdog"] == 1 && shipped["ProviderRefused"] ?? 0 > 1)
    }

    @Test("a store's server has to be fit for one, and to have rows")
    func storeServer() {
        func found(_ problem: String?, _ bytes: Int64...) -> [Finding.Level] {
            StoreServerFacts(
                peer: "QuestDB db:9000", version: "9.2.1", problem: problem,
                bytes: bytes.map { (table: "trades", bytes: $0) }
            ).findings.map(\.level)
        }
        #expect(found(nil, 7) == [.fine, .fine])
        #expect(found("its version is 9.1, needed is 9.2", 7) == [.wrong, .fine])
        #expect(found(nil) == [.fine, .warning])
    }
}
