import Foundation
import TestSupport
import Testing

@testable import ServiceRuntime
@testable import StoreWriter

@Suite("What stands beside the services")
struct DocumentTests {
    private static let headings = [
        "Purpose", "Inputs and outputs", "Configuration", "Metrics and events", "Failure modes",
        "Scaling",
    ]

    @Test("default.env is the schema: every key, its default, one comment", arguments: Service.all)
    func defaultEnvironment(service: Service) throws {
        try MadePages.check("services/\(service.description.name)/default.env") { _ in
            MadePages.defaults(of: service.description.keys)
        }
    }

    @Test("default.env alone makes the service start", arguments: Service.all)
    func loads(service: Service) throws {
        let file = "\(service.folder)/default.env"
        let decision = ServiceCommandLine(service.description).decide(
            arguments: ["--config", file, "--check-config"], environment: [:])
        guard case .print(let report) = decision else {
            Issue.record("\(decision)")
            return
        }
        #expect(!report.isEmpty)
    }

    @Test("the README's table has every key with its default, and no other", arguments: Service.all)
    func configurationTable(service: Service) throws {
        try MadePages.check("services/\(service.description.name)/README.md") {
            try MadePages.filled($0, with: MadePages.table(of: service.description.keys))
        }
    }

    @Test("the READMEs are built alike", arguments: Service.all)
    func headings(service: Service) throws {
        let lines = try service.text(of: "README.md").split(separator: "\n")
        #expect(lines.first == "# \(service.description.name)")
        let found = lines.filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
        #expect(found == Self.headings)
        for line in lines where !line.hasPrefix("|") {
            #expect(line.count <= 110, "\(line)")
        }
    }

    @Test("services/README.md lists all services with their ports")
    func overview() throws {
        let lines = try CheckoutFiles.lines("services/README.md")
        for service in Service.all {
            let name = service.description.name
            let port = try #require(service.port)
            let row = lines.first { $0.hasPrefix("| [\(name)](\(name)/README.md) |") }
            #expect(row?.contains("| \(port) |") == true, "\(name)")
        }
    }

    @Test("the catalogue of keys knows those of all services, and no other")
    func catalogue() throws {
        let names = Service.all.reduce(into: Set<String>()) { $0.formUnion($1.description.names) }
        try MadePages.check("Sources/Edges/ServiceRuntime/Configuration/KeyCatalogue.swift") {
            try MadePages.filled($0, with: MadePages.catalogue(names.sorted()))
        }
    }

    @Test("the tables of ClickHouse are those that 'migrate' makes")
    func clickHouse() throws {
        try MadePages.check("deploy/clickhouse/schema.sql") { _ in ClickHouseMigration.script }
    }

    @Test("the tables of QuestDB are those that 'migrate' makes")
    func questDB() throws {
        try MadePages.check("deploy/questdb/schema.sql") { _ in QuestDBMigration.script }
    }

    @Test("a service takes the whole environment of the others without complaint")
    func sharedEnvironment() {
        var environment: [String: String] = [:]
        for service in Service.all {
            for key in service.description.keys { environment[key.name] = key.defaultValue }
        }
        environment["OPS_PORT"] = "0"
        for service in Service.all {
            let decision = ServiceCommandLine(service.description).decide(
                arguments: [], environment: environment)
            guard case .run(let configuration) = decision else {
                Issue.record("\(service.description.name): \(decision)")
                continue
            }
            #expect(configuration.warnings.isEmpty)
        }
    }
}
