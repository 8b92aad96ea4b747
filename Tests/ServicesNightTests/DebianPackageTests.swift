import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import ServicesTests

/// Makes the Debian packages of the programs of this build, and looks into them. What is not tried
/// here is their installation: `deploy/debian/install-test.py` does that.
@Suite("Debian packages")
struct DebianPackageTests {
    private static let packages = Result { try Packages() }
    private let made: Packages

    init() throws { made = try Self.packages.get() }

    private static func settings(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            found[String(parts[0])] = String(parts.last ?? "")
        }
        return found
    }

    @Test("a package needs all that its image installs, and files of its own version")
    func dependencies() throws {
        #expect(made.paths.count == Service.all.count + 2)
        for service in Service.all {
            let needs = try made.needs(Packages.name(service))
            let file = try service.text(of: "Dockerfile")
            let runtime = try #require(file.range(of: "FROM debian:"))
            let found = try #require(
                file[runtime.upperBound...].firstMatch(
                    of: /--no-install-recommends ([^&]+)&& rm/))
            let image = found.1.split { $0 == " " || $0 == "\\" || $0 == "\n" }.map(String.init)
            #expect(image.count >= 3)
            #expect(needs.isSuperset(of: image), "\(service.description.name)")
            #expect(needs.isSuperset(of: ["libc6", "tapeline-common"]))
            #expect(
                try made.field("Depends", of: Packages.name(service))
                    .contains("tapeline-common (= \(Packages.version))"))
        }
        #expect(
            try made.needs("tapeline").isSuperset(of: ["libpq5", "libnats3.4", "libhiredis0.14"]))
    }

    /// Returns the files of settings beside the one that all processes of a service share.
    private static func furtherSettings(of service: Service) throws -> [String] {
        let name = service.description.name
        guard name == "provider-gateway" else {
            return name == "store-writer" ? ["etc/tapeline/migrator.env"] : []
        }
        return try ListedSource.beside().keys.map { "etc/tapeline/provider-gateway-\($0).env" }
    }

    @Test("the unit of each further source has a port, a name and files of its own")
    func sources() throws {
        let catalogue = KeyCatalogue.product
        var ports: Set<String> = []
        for (name, source) in try ListedSource.beside() {
            let text = try made.text("etc/tapeline/provider-gateway-\(name).env")
            let own = Self.settings(text)
            #expect(own["GATEWAY_SOURCE"] == name && own["GATEWAY_PROVIDER"] == name)
            #expect(own["GATEWAY_INSTRUMENTS"] == source.lists)
            for list in source.lists.split(separator: ",") {
                #expect(try !made.text("usr/share/tapeline/\(list)").isEmpty)
            }
            for key in own.keys { #expect(catalogue.names.contains(key), "\(name): \(key)") }
            for key in source.keys {
                let file = "#\(key.setting)_FILE=/etc/tapeline/secrets/provider-gateway/"
                #expect(text.contains(file), "\(key.setting)")
            }
            ports.insert(try #require(own["OPS_PORT"]))
        }
        #expect(ports.count == (try ListedSource.beside().count))
    }

    /// Expects who may read a file: nobody but root where a person may write a password.
    private func expectMode(_ mode: Int, of path: String) throws {
        let found = try FileManager.default.attributesOfItem(atPath: made.files.file(path))
        #expect((found[.posixPermissions] as? NSNumber)?.intValue == mode, "\(path)")
    }

    @Test("settings are conffiles: every key of the service, with folders of this system")
    func conffiles() throws {
        let places = [
            "GATEWAY_SPOOL": "/var/lib/tapeline/provider-gateway/spool",
            "GATEWAY_DEAD_LETTERS": "/var/lib/tapeline/provider-gateway/dead-letters",
            "WRITER_DEAD_LETTERS": "/var/lib/tapeline/store-writer/dead-letters",
        ]
        var placed: Set<String> = []
        for service in Service.all {
            let path = "etc/tapeline/\(service.description.name).env"
            let further = try Self.furtherSettings(of: service)
            #expect(
                try made.script("conffiles", of: Packages.name(service)).split(separator: "\n")
                    .map(String.init).sorted() == ([path] + further).map { "/\($0)" }.sorted())
            let given = Self.settings(try made.text(path))
            var expected = Self.settings(try service.text(of: "default.env"))
            for (key, value) in places where expected[key] != nil {
                expected[key] = value
                placed.insert(key)
            }
            #expect(given == expected)
            for each in [path] + further { try expectMode(0o640, of: each) }
            _ = try run(
                made.files.file("usr/bin/\(service.description.name)"), ["--check-config"],
                environment: given)
        }
        #expect(placed == Set(places.keys))
        let own = ["etc/tapeline/actions.env", "etc/tapeline/tapeline.env"]
        #expect(
            try made.script("conffiles", of: "tapeline")
                == own.map { "/\($0)" }.joined(separator: "\n"))
        let catalogue = KeyCatalogue.product
        for path in own + ["etc/tapeline/migrator.env"] {
            try expectMode(path.hasSuffix("/tapeline.env") ? 0o644 : 0o640, of: path)
            for key in Self.settings(try made.text(path)).keys {
                #expect(catalogue.names.contains(key), "\(path): \(key)")
            }
        }
    }

    @Test("systemd accepts each unit, which keeps the service from what it does not need")
    func units() throws {
        // Units need those of systemd, and a program that each of them calls.
        try run(
            "/bin/cp",
            ["-a", "/usr/lib/systemd/system/.", made.files.file("usr/lib/systemd/system")])
        try run("/bin/mkdir", ["-p", made.files.file("bin")])
        try run("/bin/cp", ["/bin/kill", made.files.file("bin")])
        let root = "--root=\(made.files.path)"
        let services = Service.all.map { "tapeline-\($0.description.name)" }
        let lone = ["tapeline-actions", "tapeline-migrate"]
        let units = services.flatMap { ["\($0).service", "\($0)@b.service"] }
        try run(
            "/usr/bin/systemd-analyze",
            ["verify", "--man=no", root] + units + lone.map { "\($0).service" })
        for unit in services + lone {
            // A unit that sets nothing has 96.
            try run(
                "/usr/bin/systemd-analyze",
                ["security", "--offline=true", "--threshold=15", root, "\(unit).service"])
            // A user of its own, which tapeline-common makes, and a folder for passwords.
            let user = unit == "tapeline-migrate" ? "tapeline-migrator" : unit
            #expect(
                try made.text("usr/lib/systemd/system/\(unit).service").contains("User=\(user)\n"))
            #expect(try made.text("usr/lib/sysusers.d/tapeline.conf").contains("u \(user) -"))
            #expect(
                try made.text("usr/lib/tmpfiles.d/tapeline.conf").contains("0750 root \(user)\n"))
        }
        for unit in services {
            let one = try made.text("usr/lib/systemd/system/\(unit).service")
            #expect(one.contains("Restart=always\n") && one.contains("[Install]\n"))
            let more = try made.text("usr/lib/systemd/system/\(unit)@.service")
            #expect(more.contains("-%i.env\n"))
        }
        let actions = try made.text("usr/lib/systemd/system/tapeline-actions.service")
        #expect(actions.contains("ExecStart=/usr/bin/tapeline actions serve\n"))
        // setpriv, which starts its commands, needs it.
        #expect(actions.contains("SystemCallFilter=capset\n"))
        #expect(actions.contains("EnvironmentFile=/etc/tapeline/actions.env\n"))
        #expect(actions.contains("Restart=always\n") && actions.contains("[Install]\n"))
        let once = try made.text("usr/lib/systemd/system/tapeline-migrate.service")
        #expect(once.contains("Type=oneshot\n") && once.contains("store-writer migrate\n"))
        #expect(!once.contains("Restart") && !once.contains("[Install]"))
        // It has the writer's settings, and of both passwords its own alone.
        #expect(once.contains("EnvironmentFile=/etc/tapeline/migrator.env\n"))
        #expect(once.contains("UnsetEnvironment=NATS_PASSWORD NATS_PASSWORD_FILE POSTGRES_PASS"))
        #expect(!once.contains("StateDirectory"))
        for service in services {
            let unit = try made.text("usr/lib/systemd/system/\(service).service")
            #expect(!unit.contains("migrator"), "\(service)")
        }
    }

    @Test("what settings name is there, where it is in a checkout")
    func shared() throws {
        for folder in [
            "deploy/postgres/migrations", "deploy/postgres/repeatable",
            "deploy/postgres/audit.sql", "deploy/postgres/audit-bars.sql",
            "services/operator-worker/graphs", "services/provider-gateway/instruments",
        ] {
            try run(
                "/usr/bin/diff",
                [
                    "-r", "\(Packages.root)/\(folder)",
                    made.files.file("usr/share/tapeline/\(folder)"),
                ])
        }
    }

    @Test("an installation starts nothing, an upgrade restarts nothing, a removal stops")
    func scripts() throws {
        let names = Service.all.map { Packages.name($0) }
        for (name, unit) in zip(names + ["tapeline"], names + ["tapeline-actions"]) {
            let after = try made.script("postinst", of: name)
            #expect(!after.contains("deb-systemd"))
            for line in after.split(separator: "\n") where line.contains("systemctl") {
                #expect(line.contains(" daemon-reload ") || line.contains(" is-active "))
            }
            #expect(
                try made.script("prerm", of: name).contains(
                    "deb-systemd-invoke stop '\(unit).service'"))
            // What is in the spool may be on no tape.
            #expect(try !made.script("postrm", of: name).contains("/var/lib"))
        }
    }

    @Test("the same programs and files give the same bytes")
    func same() throws {
        let again = try TemporaryFolder("packages")
        try Packages.make(into: again)
        for path in made.paths {
            let name = URL(filePath: path).lastPathComponent
            #expect(
                FileManager.default.contentsEqual(atPath: path, andPath: again.file(name)),
                "\(name)")
        }
    }

    @Test("lintian finds nothing")
    func lintian() throws {
        // Programs of tests load Swift's libraries from the toolchain, and no bug of Debian asks
        // for these packages.
        let found = try run(
            "/usr/bin/lintian",
            [
                "--no-cfg", "--allow-root", "--fail-on", "error,warning", "--suppress-tags",
                "custom-library-search-path,initial-upload-closes-no-bugs",
            ] + made.paths)
        #expect(found == "")
    }
}

/// The packages of this build, and their files as if they were installed.
private struct Packages {
    static let root = ServerPrograms.checkout
    static let version = "12.0.34-1"

    let paths: [String]
    let files: TemporaryFolder

    init() throws {
        let folder = try TemporaryFolder("packages").untilExit()
        files = try TemporaryFolder("installed").untilExit()
        try Self.make(into: folder)
        paths = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            .map { folder.file($0) }
        for path in paths { try run("/usr/bin/dpkg-deb", ["-x", path, files.path]) }
    }

    static func make(into folder: TemporaryFolder) throws {
        try run(
            "/usr/bin/env",
            [
                "python3", "\(root)/deploy/debian/packages.py", "--debug", "--version", version,
                "--programs", ProductPrograms.folder, "--output", folder.path,
            ])
    }

    static func name(_ service: Service) -> String { "tapeline-\(service.description.name)" }

    private func path(_ package: String) throws -> String {
        try #require(paths.first { $0.contains("/\(package)_\(Self.version)_") })
    }

    func field(_ name: String, of package: String) throws -> String {
        try run("/usr/bin/dpkg-deb", ["-f", try path(package), name])
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func needs(_ package: String) throws -> Set<String> {
        Set(
            try field("Depends", of: package).split(separator: ", ").map {
                String($0.prefix { $0 != " " })
            })
    }

    func script(_ kind: String, of package: String) throws -> String {
        try run("/usr/bin/dpkg-deb", ["--info", try path(package), kind])
    }

    func text(_ path: String) throws -> String {
        try String(contentsOfFile: files.file(path), encoding: .utf8)
    }
}
