internal import Glibc

/// Replaces this process by another program, with the same terminal.
package enum ProgramChange {
    /// `arguments` without the program's name. Returns only by throwing.
    package static func run(
        _ executable: String, _ arguments: [String], environment: [String: String]
    ) throws(ServiceError) -> Never {
        let variables = environment.map { "\($0.key)=\($0.value)" }.sorted()
        let command = [executable] + arguments
        guard (command + variables).allSatisfy({ !$0.utf8.contains(0) }) else {
            throw .spawn(program: executable, SystemErrorCode(rawValue: EINVAL))
        }
        // Our threads block signals and ignore SIGPIPE; a program expects neither.
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigprocmask(SIG_SETMASK, &none, nil)
        signal(SIGPIPE, SIG_DFL)
        let words = CStrings(command)
        let lines = CStrings(variables)
        withExtendedLifetime((words, lines)) {
            _ = unsafe execve(executable, words.pointers, lines.pointers)
        }
        throw .spawn(program: executable, SystemErrorCode(rawValue: errno))
    }
}
