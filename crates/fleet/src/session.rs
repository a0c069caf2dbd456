//! One session with one host: sends the job, and the program if the host lacks it, and reads the answer line by line.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oomguard_converge::Refusal;
use oomguard_report::{CheckReport, PlanReport, Report, StatusReport};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::{Failure, Kind, Progress, safe, safe_line};
use crate::inventory::Target;
use crate::job::Job;
use crate::lines::{self, Line};
use crate::program::Programs;
use crate::script::Answer;
use crate::setup::{Said, Step};
use crate::ssh::{Connection, Ssh, waives_host_keys};

/// A login shell may print so many lines before the answer.
const MAX_NOISE_LINES: usize = 100;
/// So much of what ssh says is kept, in bytes.
const MAX_STDERR_BYTES: usize = 16 << 10;

/// A step of a setup says no more lines: one for each change of a plan.
const MAX_SETUP_LINES: usize = 1000;

/// The warning for a host whose key is not checked.
const WAIVED: &str = "your ssh configuration has `StrictHostKeyChecking no` for this host: a changed or forged host key is \
                      accepted; use `accept-new` or `ask`";

/// Timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the first line of the answer: connecting, logging in, starting.
    pub answer: Duration,
    /// From one line to the next: writing zeros into a swap file takes its time.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(90), silence: Duration::from_secs(30 * 60) }
    }
}

/// What all sessions share.
#[derive(Debug)]
pub struct Means {
    /// The system's ssh.
    pub ssh: Ssh,
    /// The programs for hosts.
    pub programs: Programs,
    /// Timeouts.
    pub limits: Limits,
    /// Whether an ordinary user becomes root even to read.
    pub root: bool,
}

/// What happens during a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session starts.
    Asked,
    /// The program is sent.
    Pushes {
        /// Its length.
        bytes: usize,
    },
    /// A step of a change starts.
    Step {
        /// From 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// What it does.
        step: String,
        /// The step of a setup that it is part of.
        part_of: Option<Step>,
    },
    /// What the host says about a step of a setup.
    Setup(Said),
    /// The host is checked after its change.
    Health,
}

/// The answer of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The host as it is now.
    pub status: Option<StatusReport>,
    /// What would be changed.
    pub plan: Option<Box<PlanReport>>,
    /// What the command reports.
    pub report: Option<Report>,
    /// The IDs of the applies that were made or rolled back.
    pub ids: Vec<String>,
    /// The ID of an interrupted apply that this one finished.
    pub recovered: Option<String>,
    /// Warnings about the connection; from this machine's ssh, not from the host.
    pub warnings: Vec<String>,
    /// Why it was not done, as the host says.
    failed: Option<(String, Vec<Refusal>)>,
    ended: bool,
}

impl Reply {
    /// The report of a check, if that is what the host sent.
    #[must_use]
    pub fn check(&self) -> Option<&CheckReport> {
        self.report.as_ref().and_then(Report::check)
    }

    /// Whether the host sent anything.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        *self != Self { warnings: self.warnings.clone(), ..Self::default() }
    }
}

/// Runs a job on a host.
///
/// # Errors
/// The second part says why the host failed; the first has what it sent until then.
pub async fn ask(
    means: &Means,
    target: &Target,
    job: &Job,
    connection: Connection,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> (Reply, Option<Failure>) {
    let line = means.programs.line(means.root || job.task.changes());
    // A fresh connection is not the first one to its host. This asks ssh itself and nobody else, meanwhile.
    let configuration = (connection != Connection::Fresh).then(|| {
        let mut ask = means.ssh.configuration(target);
        tokio::spawn(async move { timeout(Duration::from_secs(10), ask.output()).await })
    });
    let command = means.ssh.command(target, connection, &line);
    let (mut reply, failure) = exchange(means, command, true, job, tell).await;
    if let Some(configuration) = configuration
        && let Ok(Ok(Ok(output))) = configuration.await
        && waives_host_keys(&output.stdout)
    {
        reply.warnings.push(WAIVED.to_owned());
    }
    (reply, failure)
}

/// Asks this machine to do a job: `program` is an oomguard, which runs it as a process of its own. Given up, that process
/// goes on to its end, so that the machine is whole.
///
/// # Errors
/// As [`ask`].
pub async fn ask_here(
    means: &Means,
    program: &Path,
    args: &[OsString],
    job: &Job,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> (Reply, Option<Failure>) {
    let mut command = Command::new(program);
    command.arg("remote").args(args).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // The program is here: nothing follows the job.
    exchange(means, command, false, job, tell).await
}

async fn exchange(
    means: &Means,
    command: Command,
    pushes: bool,
    job: &Job,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> (Reply, Option<Failure>) {
    let mut reply = Reply::default();
    let mut progress = Progress { changes: job.task.changes(), ..Progress::default() };
    let failure = converse(means, command, pushes, job, tell, &mut reply, &mut progress).await.err();
    (reply, failure)
}

async fn converse(
    means: &Means,
    mut command: Command,
    pushes: bool,
    job: &Job,
    tell: &(dyn Fn(Event) + Send + Sync),
    reply: &mut Reply,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| {
        Failure::new(
            Kind::NoSsh,
            format!("cannot start {}: {error}", command.as_std().get_program().display()),
        )
    })?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(Failure::new(Kind::NoSsh, "ssh has no standard input or output"));
    };
    tell(Event::Asked);
    let said = Arc::new(Mutex::new(Vec::new()));
    let listening = tokio::spawn(listen(stderr, Arc::clone(&said)));
    let (send, wanted) = oneshot::channel();
    let writing = tokio::spawn(write(stdin, job.to_line(), wanted));
    let mut talk =
        Talk { means, tell, reply, progress, push: pushes.then_some(send), refused: None, noise: 0 };
    let heard = talk.listen(BufReader::new(stdout)).await;
    let refused = talk.refused.take();
    drop(talk);
    writing.abort();
    // An answer that is whole is one, however the connection ends after it.
    let ended = match (&heard, reply.ended) {
        (Ok(()), _) | (Err(_), true) => timeout(Duration::from_secs(10), child.wait()).await.ok(),
        (Err(_), false) => {
            let _ = child.start_kill();
            None
        }
    };
    // A connection that ssh keeps may hold its standard error open.
    let _ = timeout(Duration::from_millis(500), listening).await;
    let said = String::from_utf8_lossy(&said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    if let Some((message, refusals)) = reply.failed.take() {
        if !refusals.is_empty() {
            return Err(Failure::refused(refusals));
        }
        let kind = if message.contains("No space left on device") { Kind::DiskFull } else { Kind::Failed };
        return Err(Failure::new(kind, safe(&message)));
    }
    if reply.ended {
        return Ok(());
    }
    if let Some(answer) = refused {
        return Err(Failure::from_answer(&answer, &said));
    }
    heard?;
    let code = ended.and_then(Result::ok).and_then(|status| status.code());
    Err(Failure::from_ssh(&said, code, *progress))
}

/// Writes the job, and the program when it is asked for. A host that hears no more is noticed by its silence.
async fn write(mut stdin: ChildStdin, job: String, program: oneshot::Receiver<Arc<[u8]>>) {
    if stdin.write_all(job.as_bytes()).await.is_err() {
        return;
    }
    if let Ok(bytes) = program.await {
        let _ = stdin.write_all(&bytes).await;
    }
}

/// Keeps the end of what ssh says.
async fn listen(mut from: impl AsyncRead + Unpin, said: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 2048];
    while let Ok(count) = from.read(&mut chunk).await {
        if count == 0 {
            return;
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let over = said.len().saturating_sub(MAX_STDERR_BYTES);
        said.drain(..over);
    }
}

struct Talk<'a> {
    means: &'a Means,
    tell: &'a (dyn Fn(Event) + Send + Sync),
    reply: &'a mut Reply,
    progress: &'a mut Progress,
    /// Where the program is handed to the writer; closed when it is there already.
    push: Option<oneshot::Sender<Arc<[u8]>>>,
    /// What the shell line answered instead of running the program.
    refused: Option<Answer>,
    noise: usize,
}

impl Talk<'_> {
    async fn listen(&mut self, mut from: BufReader<ChildStdout>) -> Result<(), Failure> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let limits = self.means.limits;
            let limit = if self.progress.answered || self.noise > 0 { limits.silence } else { limits.answer };
            let most = lines::MAX_LINE_BYTES as u64 + 1;
            let mut bounded = (&mut from).take(most);
            let read = timeout(limit, bounded.read_until(b'\n', &mut line)).await;
            let Ok(read) = read else { return Err(self.silent(limit)) };
            // Whatever was wrong with the pipe: the answer ends here.
            if read.unwrap_or(0) == 0 {
                return Ok(());
            }
            if line.len() > lines::MAX_LINE_BYTES {
                return Err(Failure::new(Kind::OddAnswer, "a line of the answer exceeds 16 MiB"));
            }
            self.line(&line)?;
            if self.reply.ended {
                return Ok(());
            }
        }
    }

    fn silent(&self, limit: Duration) -> Failure {
        let mut message = format!("no output for {} s", limit.as_secs());
        if let Some((number, total)) = self.progress.step {
            message.push_str(&format!(", since step {number} of {total} started"));
        }
        Failure::new(Kind::Timeout, message)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        if !self.progress.answered {
            let text = String::from_utf8_lossy(line);
            if let Some(answer) = Answer::parse(&text) {
                self.answer(answer);
                return Ok(());
            }
            // A cut last line, or what the login shell has to say.
            if !line.starts_with(b"{\"line\":\"header\"") {
                self.noise += 1;
                if self.noise > MAX_NOISE_LINES {
                    let message =
                        format!("the login shell printed too much before the answer: {}", safe(&text));
                    return Err(Failure::new(Kind::OddAnswer, message));
                }
                return Ok(());
            }
        }
        if !line.ends_with(b"\n") {
            // Cut in the middle: what is missing is noticed by the missing end.
            return Ok(());
        }
        match Line::parse(line) {
            Ok(line) => {
                self.take(line);
                Ok(())
            }
            Err(error) => Err(Failure::new(Kind::OddAnswer, error.to_string())),
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Answer::Need { arch } = &answer
            && let Some(program) = self.means.programs.get(arch)
            && let Some(push) = self.push.take()
        {
            (self.tell)(Event::Pushes { bytes: program.bytes.len() });
            // The writer is gone when the connection is, which is noticed in a moment.
            let _ = push.send(Arc::clone(&program.bytes));
            self.noise = 1;
            return;
        }
        self.refused = Some(answer);
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Header { .. } => {
                self.progress.answered = true;
                self.push = None;
            }
            Line::Recovered { id } => self.reply.recovered = Some(safe(&id)),
            Line::Status { status } => self.reply.status = Some(status),
            Line::Step { number, total, step, part_of } => {
                self.progress.step = Some((number, total));
                (self.tell)(Event::Step { number, total, step: safe(&step), part_of });
            }
            Line::Setup { said } => {
                let lines = said.lines.iter().take(MAX_SETUP_LINES).map(|line| safe_line(line)).collect();
                (self.tell)(Event::Setup(Said::new(said.step, lines)));
            }
            Line::Plan(plan) => self.reply.plan = Some(plan),
            Line::Report { report } => self.reply.report = Some(report),
            Line::Done { ids } => self.reply.ids = ids.iter().map(|id| safe(id)).collect(),
            Line::Failed { message, refusals } => self.reply.failed = Some((message, refusals)),
            Line::End => self.reply.ended = true,
        }
    }
}
