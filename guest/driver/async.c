// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CIOCASYNCCRYPT and CIOCASYNCFETCH.
 *
 * A job is given to the device while the program goes on; those of one session
 * one after the other, in their order. What was small has been answered before
 * the call returns. Results are fetched in the order in which jobs came.
 *
 * Data is taken when the job comes, or stays in the program's pages, so that a
 * job needs nobody's memory but its own. A file that is closed leaves its jobs
 * to the queues, which free them when the device gives them back.
 */
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "call.h"
#include "driver.h"

/* As many as /dev/crypto takes. */
#define JOBS_MAX	64

enum job_state {
	JOB_WAITING,	/* for its session */
	JOB_SENT,	/* holds its session */
	JOB_DONE,
};

/**
 * struct crypto_job - an operation that nobody waits for
 * @node:	in crypto_file.jobs, or among those that are free
 * @state:	where it is; under crypto_file.jobs_lock
 * @file:	where it came from
 * @ses:	its session, referenced
 * @call:	its memory, kept from one job to the next; NULL if there is none
 * @op:		what the program asked for
 * @data:	where its data is
 * @iv:		what is at op.iv
 * @result:	0 or -errno, once it is done
 */
struct crypto_job {
	struct list_head node;
	enum job_state state;
	struct crypto_file *file;
	struct crypto_session *ses;
	struct crypto_call *call;
	struct crypt_op op;
	struct crypto_data data;
	u8 iv[WIRE_IV_LEN];
	int result;
};

/* Caller holds file->jobs_lock, after which the job may be fetched. */
static void job_done(struct crypto_job *job, int result)
{
	job->result = result;
	job->state = JOB_DONE;
	wake_up_interruptible(&job->file->poll);
}

/* The job is over and its session another's. May be called in an interrupt. */
static void job_end(struct crypto_job *job, int result)
{
	struct crypto_file *file = job->file;
	unsigned long flags;

	/* Closing the file waits for the lock, so it comes last. */
	spin_lock_irqsave(&file->jobs_lock, flags);
	crypto_session_leave(file, job->ses);
	job_done(job, result);
	spin_unlock_irqrestore(&file->jobs_lock, flags);
}

/* The device has answered, or never will. The queue's lock is held. */
static void job_answered(struct crypto_request *req)
{
	struct crypto_call *call = container_of(req, struct crypto_call, req);
	struct crypto_job *job = call->job;

	job_end(job, req->error ?: crypto_crypt_result(call, job->ses));
}

static void job_start(struct crypto_job *job)
{
	struct crypto_session *ses = job->ses;
	struct crypto_call *call = job->call;
	int ret = -EINVAL;

	if (!ses->dead) {
		if (job->op.iv)
			memcpy(ses->iv, job->iv, ses->iv_len);
		crypto_crypt_head(call, ses, &job->op);
		call->req.finished = job_answered;
		ret = crypto_call_send(call);
	}
	if (ret)
		job_end(job, ret);
}

/* Those before it in the same session come first. */
static bool job_is_next(const struct crypto_job *job)
{
	struct crypto_job *other;

	list_for_each_entry(other, &job->file->jobs, node) {
		if (other == job)
			return true;
		if (other->ses == job->ses && other->state == JOB_WAITING)
			return false;
	}
	return false;
}

/* Find a job whose session is free, and enter that. */
static struct crypto_job *job_pick(struct crypto_file *file)
{
	struct crypto_job *job;

	spin_lock_irq(&file->jobs_lock);
	/* Whoever leaves a session sees those that wait, or is seen here. */
	smp_mb();
	if (file->jobs_waiting && !file->closing) {
		list_for_each_entry(job, &file->jobs, node) {
			if (job->state != JOB_WAITING || !job_is_next(job) ||
			    !crypto_session_try(job->ses))
				continue;
			job->state = JOB_SENT;
			file->jobs_waiting--;
			spin_unlock_irq(&file->jobs_lock);
			return job;
		}
	}
	spin_unlock_irq(&file->jobs_lock);
	return NULL;
}

static void start_jobs(struct crypto_file *file)
{
	struct crypto_job *job;

	while ((job = job_pick(file)))
		job_start(job);
}

static void jobs_work(struct work_struct *work)
{
	start_jobs(container_of(work, struct crypto_file, jobs_work));
}

static void job_free(struct crypto_job *job)
{
	if (job->call)
		crypto_call_put(job->call);
	kfree_sensitive(job);
}

/* One that was used before, or one more. */
static struct crypto_job *job_get(struct crypto_file *file)
{
	struct crypto_job *job;
	bool full;

	spin_lock_irq(&file->jobs_lock);
	job = list_first_entry_or_null(&file->jobs_free, struct crypto_job,
				       node);
	full = !job && file->jobs_count == JOBS_MAX;
	if (job)
		list_del(&job->node);
	else if (!full)
		file->jobs_count++;
	spin_unlock_irq(&file->jobs_lock);
	if (job || full)
		return job ?: ERR_PTR(-EBUSY);

	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (job) {
		job->file = file;
		return job;
	}
	spin_lock_irq(&file->jobs_lock);
	file->jobs_count--;
	spin_unlock_irq(&file->jobs_lock);
	return ERR_PTR(-ENOMEM);
}

/* It is in no list any more. Its call is kept if the device has let go of it. */
static void job_put(struct crypto_job *job)
{
	struct crypto_file *file = job->file;

	if (job->call && job->call->req.state == REQUEST_DONE) {
		crypto_call_settle(job->call);
	} else if (job->call) {
		crypto_call_put(job->call);
		job->call = NULL;
	}
	crypto_session_put(job->ses);
	spin_lock_irq(&file->jobs_lock);
	list_add(&job->node, &file->jobs_free);
	spin_unlock_irq(&file->jobs_lock);
	wake_up_interruptible(&file->poll);	/* for POLLOUT */
}

/* Get it ready to be sent. Return: 0, or -errno that will be its result. */
static int job_prepare(struct crypto_job *job)
{
	int ret = crypto_crypt_check(job->file, job->ses, &job->op);

	if (ret)
		return ret;
	if (!job->call)
		job->call = crypto_call_alloc(job->file);
	if (!job->call)
		return -ENOMEM;
	job->call->job = job;
	crypto_call_session(job->call, job->ses);
	crypto_crypt_data(&job->data, job->ses, &job->op);
	return crypto_data_set(job->call, &job->data);
}

/* The reference wire is slow enough; the job is done at once. */
static int job_reference(struct crypto_job *job)
{
	struct crypto_session *ses = crypto_session_enter(job->file,
							  job->op.ses);
	int ret;

	if (IS_ERR(ses))
		return PTR_ERR(ses);
	ret = crypto_reference_crypt(job->file, ses, &job->op);
	crypto_session_leave(job->file, ses);
	return ret;
}

static void job_enqueue(struct crypto_job *job)
{
	struct crypto_file *file = job->file;
	bool calls = file->crdev->calls;
	int ret = calls ? job_prepare(job) : job_reference(job);

	spin_lock_irq(&file->jobs_lock);
	list_add_tail(&job->node, &file->jobs);
	if (calls && !ret) {
		job->state = JOB_WAITING;
		file->jobs_waiting++;
	} else {
		job_done(job, ret);
	}
	spin_unlock_irq(&file->jobs_lock);
	start_jobs(file);
}

/**
 * crypto_async_crypt - CIOCASYNCCRYPT
 * @file:	the open file
 * @op:		what the program asks for
 *
 * What is wrong with the operation itself is the result that is fetched.
 *
 * Return: 0 or -errno; -EBUSY if results must be fetched first.
 */
long crypto_async_crypt(struct crypto_file *file, const struct crypt_op *op)
{
	struct crypto_session *ses = crypto_session_get(file, op->ses);
	struct crypto_job *job;
	u8 iv[WIRE_IV_LEN];
	int ret = -EFAULT;

	if (!ses)
		return -EINVAL;
	if (op->iv && copy_from_user(iv, op->iv, ses->iv_len))
		goto put_session;
	ret = -EINVAL;
	if (op->flags & COP_FLAG_NO_ZC)
		goto put_session;
	job = job_get(file);
	ret = PTR_ERR_OR_ZERO(job);
	if (ret)
		goto put_session;
	job->op = *op;
	job->ses = ses;
	if (op->iv)
		memcpy(job->iv, iv, ses->iv_len);
	job_enqueue(job);
	return 0;

put_session:
	crypto_session_put(ses);
	return ret;
}

/**
 * crypto_async_fetch - CIOCASYNCFETCH
 * @file:	the open file
 * @op:		where the operation is stored that is over
 *
 * Return: what became of it; -EBUSY if the next is not over.
 */
long crypto_async_fetch(struct crypto_file *file, struct crypt_op *op)
{
	struct crypto_job *job;
	int ret;

	spin_lock_irq(&file->jobs_lock);
	job = list_first_entry_or_null(&file->jobs, struct crypto_job, node);
	if (job && job->state == JOB_DONE)
		list_del(&job->node);
	else
		job = NULL;
	spin_unlock_irq(&file->jobs_lock);
	if (!job)
		return -EBUSY;

	ret = job->result;
	if (!ret && file->crdev->calls)
		ret = crypto_data_back(job->call, &job->data) ?:
		      crypto_crypt_results(job->call, job->ses, &job->op);
	*op = job->op;
	job_put(job);
	return ret;
}

__poll_t crypto_async_poll(struct crypto_file *file, struct file *filp,
			   struct poll_table_struct *wait)
{
	struct crypto_job *job;
	__poll_t mask = 0;

	poll_wait(filp, &file->poll, wait);
	spin_lock_irq(&file->jobs_lock);
	job = list_first_entry_or_null(&file->jobs, struct crypto_job, node);
	if (job && job->state == JOB_DONE)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (!list_empty(&file->jobs_free) || file->jobs_count < JOBS_MAX)
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock_irq(&file->jobs_lock);
	return mask;
}

void crypto_async_init(struct crypto_file *file)
{
	spin_lock_init(&file->jobs_lock);
	INIT_LIST_HEAD(&file->jobs);
	INIT_LIST_HEAD(&file->jobs_free);
	init_waitqueue_head(&file->poll);
	INIT_WORK(&file->jobs_work, jobs_work);
}

/* At the last close, before sessions go: nobody will fetch anything. */
void crypto_async_end(struct crypto_file *file)
{
	struct crypto_job *job, *next;

	spin_lock_irq(&file->jobs_lock);
	file->closing = true;
	spin_unlock_irq(&file->jobs_lock);
	cancel_work_sync(&file->jobs_work);

	list_for_each_entry_safe(job, next, &file->jobs, node) {
		/* From then on nobody else knows the job. */
		if (job->call && job->call->req.queue)
			crypto_queue_forget(&job->call->req);
		crypto_session_put(job->ses);
		job_free(job);
	}
	list_for_each_entry_safe(job, next, &file->jobs_free, node)
		job_free(job);
}
