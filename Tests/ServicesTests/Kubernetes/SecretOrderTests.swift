import Foundation
import TestSupport
import Testing

/// `deploy/kubernetes/secrets.sh` with a stand-in for kubectl.
@Suite("New passwords on Kubernetes")
struct SecretOrderTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("kubernetes")
        // A pod sees a changed Secret when it is asked for the third time. `other` has no such
        // file, `gone` ends meanwhile, and the container of `ends` does not run.
        let stub = try folder.write(
            """
            #!/bin/sh
            here=$(dirname "$0")
            shift 2
            echo "$@" >>"$here/asked"
            case $* in
                "patch secret"*)
                    for last; do :; done
                    sed 's/.*:"\\(.*\\)"}}/\\1/' "$last" | tr -d '\\n' >"$here/secret"
                    sed -n 's/.*"\\(tapeline-new-[a-z-]*\\)".*/\\1/p' "$last" >"$here/mark" ;;
                "get secret"*annotations*) cat "$here/mark" 2>/dev/null || true ;;
                "get secret"*) [ ! -e "$here/secret" ] || base64 -w 0 "$here/secret" ;;
                "annotate secret tapeline-passwords tapeline-new-"*-) rm "$here/mark" ;;
                "get pods --field-selector"*)
                    printf 'writer-0 ,tapeline-passwords,\\nother tapeline-passwords,\\n'
                    printf 'gone tapeline-passwords,\\nends tapeline-passwords,\\n'
                    printf 'prometheus-0 ,\\n' ;;
                "get pods --selector app.kubernetes.io/name=nats"*)
                    cat "$here/servers" 2>/dev/null || true ;;
                "get pods --selector"*) echo pod/server-0 ;;
                "get pod "*) ;;
                "exec gone"* | "exec ends"*) exit 1 ;;
                "exec other -- sh"*) ;;
                "exec writer-0 -- sh"*)
                    echo x >>"$here/looks"
                    [ "$(wc -l <"$here/looks")" -ge 3 ] || { echo old; exit; }
                    sha256sum <"$here/secret" ;;
                *"echo no") if [ -e "$here/unread" ]; then echo no; else echo yes; fi ;;
                *"touch /tmp/reload")
                    [ ! -e "$here/fails" ] || exit 1
                    echo "2026-01-01T00:00:09.5Z" >"$here/time" ;;
                *"date -u -r"*) echo 2026-01-01T00:00:09 ;;
                *wget*) echo "{\\"config_load_time\\": \\"$(cat "$here/time" 2>/dev/null)\\"}" ;;
                *valkey-cli)
                    cat >>"$here/asked"
                    echo x >>"$here/tries"
                    if [ "$(wc -l <"$here/tries")" -lt 3 ]; then echo WRONGPASS; else echo OK; fi ;;
                *psql*) cat >>"$here/asked" ;;
            esac
            """, to: "kubectl")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: stub)
        try folder.write("old", to: "secret")
    }

    private func script(_ arguments: String...) throws -> String {
        try run(
            "/bin/sh", ["\(ServerPrograms.checkout)/deploy/kubernetes/secrets.sh"] + arguments,
            environment: [
                "KUBECTL": folder.file("kubectl"), "PATH": "/usr/bin:/bin", "SECRETS_PAUSE": "0",
            ])
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOfFile: folder.file(name), encoding: .utf8)
    }

    @Test("the server is asked when all pods have the new password, and not before")
    func order() throws {
        try folder.write("pod/nats-0\n", to: "servers")
        let said = try script("nats-writer")
        #expect(said.hasSuffix("pod/nats-0 has taken it\nnats-writer is new"))
        let secret = try read("secret")
        #expect(secret.hasPrefix("p") && secret.utf8.count == 49)
        let asked = try read("asked").split(separator: "\n").map(String.init)
        let reload = try #require(asked.firstIndex { $0.contains("touch /tmp/reload") })
        let look = try #require(asked.lastIndex { $0.contains("exec writer-0") })
        #expect(asked[2].hasPrefix("patch secret tapeline-passwords") && look < reload)
        #expect(asked.count { $0.contains("exec writer-0") } == 3)
        #expect(!asked.contains { $0.contains(secret) || $0.contains("exec prometheus-0") })
    }

    @Test("a role is altered in the server, without its password among the arguments")
    func role() throws {
        #expect(try script("postgres-writer").hasSuffix("postgres-writer is new"))
        let asked = try read("asked").split(separator: "\n").map(String.init)
        let secret = try read("secret")
        #expect(asked.suffix(2).first == "ALTER ROLE tapeline_writer PASSWORD '\(secret)';")
        #expect(asked.count { $0.contains(secret) } == 1)
    }

    @Test("Valkey is asked until it lets that user in, without its password among the arguments")
    func valkey() throws {
        let said = try script("valkey-reader")
        #expect(said.hasSuffix("pod/server-0 has taken it\nvalkey-reader is new"), "\(said)")
        let line = try "AUTH reader \(read("secret"))"
        let asked = try read("asked").split(separator: "\n").map(String.init)
        #expect(asked.count { $0 == line } == 3)
        #expect(try asked.count { try $0.contains(read("secret")) } == 3)
    }

    @Test("a run that was cut short is gone on with, by the same password")
    func again() throws {
        try folder.write("pod/nats-0\n", to: "servers")
        try folder.write("", to: "fails")
        #expect(throws: ProgramFailure.self) { try script("nats-writer") }
        let secret = try read("secret")
        try FileManager.default.removeItem(atPath: folder.file("fails"))
        #expect(try script("nats-writer").hasSuffix("nats-writer is new"))
        #expect(try read("secret") == secret)
        // The next one is another.
        #expect(try script("nats-writer").hasSuffix("nats-writer is new"))
        #expect(try read("secret") != secret)
    }

    @Test("for a store of another kind it says what is left, and waits for its pods")
    func stores() throws {
        for name in ["clickhouse", "questdb"] {
            let said = try script(name)
            #expect(
                said.hasSuffix(
                    """
                    all pods have it: now give it to the user tapeline of the server of your own
                    \(name) is new
                    """), "\(said)")
        }
        #expect(try read("asked").contains("exec writer-0 -- sh"))
    }

    @Test("a key that the Secret does not have is refused, and not made")
    func unknown() throws {
        try FileManager.default.removeItem(atPath: folder.file("secret"))
        let error = #expect(throws: ProgramFailure.self) { try script("nats-tools") }
        #expect(
            error?.message.hasPrefix(
                "secrets.sh: the Secret tapeline-passwords has no key nats-tools") == true)
        #expect(try !read("asked").contains("patch"))
    }

    @Test("a server that has no such user is not waited for, and does not take it")
    func unread() throws {
        try folder.write("pod/nats-0\n", to: "servers")
        try folder.write("", to: "unread")
        let said = try script("nats-writer-questdb")
        #expect(said.contains("pod/nats-0 has no user with it") && !said.contains("has taken it"))
        #expect(try !read("asked").contains("touch /tmp/reload"))
    }

    @Test("for servers of one's own it says what is left; what is no password is refused")
    func others() throws {
        let said = try script("nats-writer")
        #expect(said.contains("now give it to the user writer of the NATS of your own"), "\(said)")
        for words in [[], ["nats-cluster"], ["x"], ["nats-"], ["nats-writer", "b"], ["nats-a;b"]] {
            let error = #expect(throws: ProgramFailure.self) {
                try run(
                    "/bin/sh", ["\(ServerPrograms.checkout)/deploy/kubernetes/secrets.sh"] + words,
                    environment: ["KUBECTL": folder.file("kubectl"), "PATH": "/usr/bin:/bin"])
            }
            #expect(error?.message.hasPrefix("secrets.sh: write ") == true, "\(words)")
        }
    }
}
